package redact

// minCard is the smallest number of digits in a card number.
const minCard = 13

var separates = setOf(" -")

// findCard finds a card number in the run of digits, spaces and dashes that contains line[at:]. It returns
// the end of the run even if there is no card number.
func findCard(line []byte, at int) (sp span, end int, ok bool) {
	begin := at
	for begin > 0 && (decimal[line[begin-1]] || begin > 1 && separates[line[begin-1]] && decimal[line[begin-2]]) {
		begin--
	}
	end = at
	for end < len(line) && (decimal[line[end]] || end+1 < len(line) && separates[line[end]] && decimal[line[end+1]]) {
		end++
	}
	for begin < end && !decimal[line[begin]] {
		begin++
	}
	if end-begin < minCard {
		return span{}, end, false
	}
	if begin >= 2 && line[begin-1] == 'u' && line[begin-2] == '\\' && end-begin > 4 {
		begin += 4 // of an escaped character
	}
	// A number may be in one group or in several, and other numbers may be next to it.
	for from := begin; from < end; {
		if to := cardEnd(line, from, begin, end); to > 0 {
			return span{from: from, to: to, rule: cardNumber}, end, true
		}
		for from < end && decimal[line[from]] {
			from++
		}
		from++
	}
	return span{}, end, false
}

// cardEnd returns the end of the card number that begins at line[from:] in a run of digits and separators,
// or 0 if there is none.
func cardEnd(line []byte, from, begin, end int) int {
	if from+minCard > end || line[from] < '2' || line[from] > '6' {
		return 0
	}
	var number [20]byte
	var sizes [6]int
	n, groups, separator, to := 0, 0, byte(0), from
	for i := from; ; i++ {
		if i == end || !decimal[line[i]] {
			groups++
			to = i
			if i == end || groups == len(sizes) || separator != 0 && line[i] != separator || groups == 1 && sizes[0] >= minCard {
				break
			}
			if line[i] == ' ' && cardGroups(sizes[:groups]) && digitsAt(line, i+1) < 4 {
				separator = 0 // what follows is a date or a code
				break
			}
			if groups == 1 && sizes[0] != 4 {
				return 0
			}
			separator = line[i]
			continue
		}
		if n == len(number) {
			return 0
		}
		number[n] = line[i]
		sizes[groups]++
		n++
	}
	if groups > 1 && !cardGroups(sizes[:groups]) || !cardLength(number[:n]) || !luhn(number[:n]) {
		return 0
	}
	// The number must not be part of something longer.
	if from > begin && (groups == 1 && line[from-1] == '-' || groups > 1 && line[from-1] == separator) {
		return 0
	}
	if to < end && line[to] == '-' {
		return 0
	}
	if from == begin && from > 0 && !startsNumber(line, from) {
		return 0
	}
	if to < len(line) {
		switch c := line[to]; {
		case alnum[c] || c == '_' || c >= 0x80:
			return 0
		case (c == '.' || c == '-' || c == ':' || c == '/') && to+1 < len(line) && alnum[line[to+1]]:
			return 0
		}
	}
	if named := nameBefore(line, from); endsInID(named) {
		return 0
	}
	return to
}

// digitsAt returns the number of digits at line[i:], up to four.
func digitsAt(line []byte, i int) (n int) {
	for n < 4 && i+n < len(line) && decimal[line[i+n]] {
		n++
	}
	return n
}

// cardGroups reports whether card numbers are written in groups of these sizes.
func cardGroups(sizes []int) bool {
	switch len(sizes) {
	case 3:
		return sizes[0] == 4 && sizes[1] == 6 && (sizes[2] == 5 || sizes[2] == 4)
	case 4:
		return sizes[0] == 4 && sizes[1] == 4 && sizes[2] == 4 && (sizes[3] == 4 || sizes[3] == 1)
	case 5:
		return sizes[0] == 4 && sizes[1] == 4 && sizes[2] == 4 && sizes[3] == 4 && sizes[4] == 3
	}
	return false
}

// cardLength reports whether an issuer uses numbers with this prefix and length.
func cardLength(number []byte) bool {
	n, four := len(number), 0
	if n < minCard || n > 19 {
		return false
	}
	for _, c := range number[:4] {
		four = four*10 + int(c-'0')
	}
	two, three := four/100, four/10
	switch {
	case number[0] == '4': // Visa
		return n == 13 || n == 16 || n == 19
	case 51 <= two && two <= 55, 2221 <= four && four <= 2720: // Mastercard
		return n == 16
	case 2200 <= four && four <= 2204: // Mir
		return n == 16
	case two == 34 || two == 37: // American Express
		return n == 15
	case 300 <= three && three <= 305, four == 3095, two == 36, two == 38, two == 39: // Diners Club
		return n == 14 || n == 16
	case 3528 <= four && four <= 3589: // JCB
		return n == 16 || n == 19
	case four == 6011, 644 <= three && three <= 649, two == 65, two == 62: // Discover, UnionPay
		return n == 16 || n == 19
	case four == 5018, four == 5020, four == 5038, four == 5893, four == 6304, four == 6759, 6761 <= four && four <= 6763: // Maestro
		return true
	}
	return false
}

// luhn reports whether the check digit is right. A number that repeats a single digit is not accepted.
func luhn(number []byte) bool {
	sum, same := 0, true
	for i, c := range number {
		d := int(c - '0')
		if same = same && c == number[0]; (len(number)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0 && !same
}

// startsNumber reports whether the digits at line[i:] do not continue a word or a number.
func startsNumber(line []byte, i int) bool {
	switch c := line[i-1]; {
	case alnum[c]:
		return startsWord(line, i)
	case c == '_' || c == '.' || c == '-' || c == '+' || c == '#' || c == '@' || c == '/' || c >= 0x80:
		return false
	}
	return true
}

// nameBefore returns the name of the value at line[i:], as in name=value and "name": value.
func nameBefore(line []byte, i int) []byte {
	for i > 0 && assignment[line[i-1]] {
		i--
	}
	end := i
	for i > 0 && wordDash[line[i-1]] {
		i--
	}
	return line[i:end]
}

var assignment = setOf("\"'\\=: []")

// endsInID reports whether a name is that of values that are numbers, but never card numbers.
func endsInID(name []byte) bool {
	for _, end := range [...]string{"id", "ids", "time", "timestamp", "ts", "seq", "offset", "order", "span", "trace", "nonce", "phone", "tel", "iban", "tracking", "count", "bytes", "size", "number_of", "duration", "ns", "ms"} {
		if n := len(name) - len(end); n >= 0 && hasPrefixFold(name[n:], end) && (n == 0 || !isLetter(name[n-1]) || name[n]&0x20 == 0 || end == "timestamp") {
			return true
		}
	}
	return false
}
