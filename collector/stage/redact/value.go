package redact

import "bytes"

// strength is how certain a name makes it that its value is a secret.
type strength int

const (
	weak   strength = iota // the value must look random
	strong                 // any value except an obvious placeholder or word
	sure                   // any such value, and numbers, too
)

// name is a name in a line whose value may be a secret.
type name struct {
	begin, end int // in the line
	rule       rule
	strength   strength
}

// longestName is how much of a name is examined before and after the text of its anchor.
const longestName = 64

// nameAt returns the name that contains the text of the anchor at line[at:], if it is the name of a secret.
// The name must end with that text, except for the suffixes that nameEnds allows.
func nameAt(line []byte, at int, a *anchor) (n name, ok bool) {
	text := at + len(a.text)
	n = name{begin: at, end: text, rule: a.rule}
	for n.end < len(line) && wordDash[line[n.end]] {
		if n.end++; n.end-text > longestName {
			return n, false
		}
	}
	suffix := line[text:n.end]
	if !nameEnds(suffix, a.text == "password") {
		return n, false
	}
	for n.begin > 0 && at-n.begin < longestName && wordDot[line[n.begin-1]] && (!alnum[line[n.begin-1]] || !startsWord(line, n.begin)) {
		n.begin--
	}
	prefix := line[n.begin:at]
	switch a.text {
	case "password", "passwd", "passphrase", "pwd":
		n.strength = sure
	case "pass":
		if len(prefix) > 0 {
			if last := prefix[len(prefix)-1]; isLetter(last) && (line[at] != 'P' || last < 'a') {
				return n, false // compass, bypass
			}
			n.strength = strong
		}
	case "secret":
		if bare := cutSeparator(prefix); hasSuffixFold(bare, "client") || keyWord(suffix) {
			n.strength = strong
		}
		if accessKey(suffix) {
			n.rule = awsSecretKey
		}
	case "token":
		bare := cutSeparator(prefix)
		for _, other := range [...]string{"next", "page", "continuation", "sync", "cancellation", "max", "num", "start", "end", "stop", "eos", "bos", "pad"} {
			if hasSuffixFold(bare, other) {
				return n, false
			}
		}
		for _, sure := range [...]string{"access", "refresh", "auth", "bearer", "api", "secret", "session"} {
			if hasSuffixFold(bare, sure) {
				n.strength = strong
			}
		}
	case "apikey", "api_key", "api-key", "private_key", "private-key", "privatekey":
		n.strength = strong
	}
	return n, true
}

// cutSeparator returns a prefix without the separator at its end.
func cutSeparator(prefix []byte) []byte {
	if n := len(prefix); n > 0 && !alnum[prefix[n-1]] {
		return prefix[:n-1]
	}
	return prefix
}

func hasSuffixFold(b []byte, s string) bool {
	return len(b) >= len(s) && hasPrefixFold(b[len(b)-len(s):], s)
}

func equalFold(b []byte, s string) bool { return len(b) == len(s) && hasPrefixFold(b, s) }

// keyWord reports whether a suffix is key.
func keyWord(suffix []byte) bool {
	return equalFold(suffix, "key") || equalFold(suffix, "_key") || equalFold(suffix, "-key") || accessKey(suffix)
}

// accessKey reports whether a suffix is access_key.
func accessKey(suffix []byte) bool {
	return equalFold(suffix, "_access_key") || equalFold(suffix, "accesskey") || equalFold(suffix, "-access-key")
}

// nameEnds reports whether suffix may follow the text of the anchor in the name of a secret.
func nameEnds(suffix []byte, plural bool) bool {
	if len(suffix) == 0 || keyWord(suffix) {
		return true
	}
	if suffix[0] == '_' || suffix[0] == '-' {
		suffix = suffix[1:]
	}
	for _, known := range [...]string{"value", "base64", "b64", "new", "old", "current", "confirmation", "confirm", "repeat", "plain", "1", "2"} {
		if equalFold(suffix, known) {
			return true
		}
	}
	return plural && equalFold(suffix, "s")
}

// findValue finds the value of a name: name=value, name="value", "name":"value", name: value and the like,
// even inside a JSON string.
func findValue(line []byte, at int, a *anchor) (span, bool) {
	n, ok := nameAt(line, at, a)
	if !ok {
		return span{}, false
	}
	i, form := separator(line, n)
	if form == noForm {
		return span{}, false
	}
	if size, _ := quote(line, i); size > 0 {
		v := quotedValue(line, i, size)
		return span{from: v.from, to: v.to, rule: n.rule}, v.from < v.to && v.secret(line, n, form)
	}
	begin := line[:min(len(line), i+longestBare)]
	v := bareValue(begin, i, form)
	if v.from < v.to && n.strength == weak && !random(begin[v.from:v.to]) {
		return span{to: v.to}, false // no part of it is random either
	}
	if v.from >= v.to || !v.secret(begin, n, form) {
		return span{}, false
	}
	if v.to == len(begin) {
		v = bareValue(line, i, form)
	}
	return span{from: v.from, to: v.to, rule: n.rule}, true
}

// longestBare is how much of an unquoted value is examined to decide whether it is a secret.
const longestBare = 2 << 10

// form is the way in which a name and its value are written.
type form int

const (
	noForm   form = iota
	equals        // name=value
	jsonPair      // "name": value
	colon         // name: value
)

// separator returns the index of a name's value, and the form.
func separator(line []byte, n name) (int, form) {
	i, quoted := n.end, false
	if size, _ := quote(line, i); size > 0 {
		i += size
		quoted = true
	} else if i < len(line) && line[i] == ']' { // form[password]=x, PHP's [password] => x
		i++
	}
	i = skipBlanks(line, i)
	c, size := escaped(line, i)
	if c == '%' && i+3 <= len(line) && (hasPrefixFold(line[i:], "%3d") || hasPrefixFold(line[i:], "%3a")) {
		return i + 3, equals
	}
	switch c {
	case '=':
		i += size
		if i < len(line) && line[i] == '=' {
			return 0, noForm // a comparison
		}
		if c, size := escaped(line, i); c == '>' { // Ruby, PHP
			i += size
		}
		return skipBlanks(line, i), equals
	case ':':
		i += size
		if i < len(line) && line[i] == '=' { // :=
			return skipBlanks(line, i+1), equals
		}
		if quoted {
			return skipBlanks(line, i), jsonPair
		}
		if after := skipBlanks(line, i); after > i || i < len(line) && quoteSet[line[i]] {
			return after, colon
		}
		return i, colon
	}
	return 0, noForm
}

var quoteSet = setOf("\"'\\")

func skipBlanks(line []byte, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return i
}

// quote returns the length of the quotation mark at line[i:], including the backslashes before it, and the
// mark. It returns 0 if there is none. JSON may also write the mark as \u0022.
func quote(line []byte, i int) (size int, mark byte) {
	j := i
	for j < len(line) && line[j] == '\\' {
		j++
	}
	switch {
	case j >= len(line):
		return 0, 0
	case line[j] == '"' || line[j] == '\'':
		return j + 1 - i, line[j]
	case j > i && (bytes.HasPrefix(line[j:], []byte("u0022")) || bytes.HasPrefix(line[j:], []byte("u0027"))):
		return j + 5 - i, 'u'
	}
	return 0, 0
}

// value is the location of a value.
type value struct {
	from, to int
	quoted   bool
	whole    bool // the line contains nothing but the name and the value
}

// quotedValue returns the value after the quotation mark at line[i:], which has size bytes including its
// backslashes.
func quotedValue(line []byte, i, size int) value {
	_, mark := quote(line, i)
	from := i + size
	if mark == 'u' {
		to := bytes.Index(line[from:], line[i:from])
		if to < 0 {
			to = bytes.IndexByte(line[from:], '"')
		}
		if to < 0 {
			to = len(line) - from
		}
		return value{from, from + to, true, false}
	}
	// The value ends at a quotation mark with the same number of backslashes. One with more is inside the
	// value, and one with fewer ends the string that contains everything.
	level := size - 1
	for j := from; j < len(line); j++ {
		if line[j] != mark && line[j] != '"' {
			continue
		}
		n := backslashes(line[from:], j-from)
		rest := n % (2 * (level + 1))
		if line[j] != mark {
			if level == 0 && n%2 == 1 || mark == '"' {
				continue
			}
			// A double quotation mark within single ones may be part of the value, or end the string.
			if inString(line, j) {
				return value{from, j - rest, true, false}
			}
			continue
		}
		if rest == 2*level+1 && (level > 0 || rest == 1) && rest != level {
			continue
		}
		return value{from, j - min(rest, n), true, false}
	}
	return value{from, len(line), true, false}
}

// inString reports whether the quotation mark at line[i:] ends a JSON string.
func inString(line []byte, i int) bool {
	trimmed := bytes.TrimLeft(line, " \t")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && backslashes(line, i)%2 == 0
}

// bareValue returns an unquoted value. It ends at a blank, or where another name begins.
func bareValue(line []byte, i int, f form) value {
	v := value{from: i, to: i}
	inJSON := len(line) > 0 && (line[0] == '{' || line[0] == '[')
	j := i
loop:
	for j < len(line) {
		c, n := escaped(line, j)
		switch c {
		case ' ', '\t', '\n', '\r', '"', '\'', 0:
			break loop
		case '&', ';', ',', '|':
			if ends(line, j+n) {
				break loop
			}
		case '%':
			if hasPrefixFold(line[j:], "%26") {
				break loop
			}
		case ')', ']', '}', '>':
			if closes(line, j) {
				break loop
			}
		case '\\':
			if n == 1 && j+1 < len(line) {
				k := j
				for k < len(line) && line[k] == '\\' {
					k++
				}
				if k < len(line) && (line[k] == '"' || line[k] == '\'') {
					break loop
				}
				if inJSON && (k-j)%2 == 1 && k < len(line) && escapeLetter[line[k]] {
					break loop
				}
				n = k - j
			}
		}
		j += n
	}
	if j > i && j < len(line) && closers[line[i]] == line[j] && line[j] != 0 {
		j++ // (unset), <password>
	}
	v.to = j
	if f == colon {
		v.whole = len(bytes.TrimSpace(line[j:])) == 0
	}
	return v
}

// closers maps opening brackets to closing ones.
var closers = [256]byte{'(': ')', '[': ']', '{': '}', '<': '>'}

// ends reports whether a value ends before a separator, because nothing, a blank, a quotation mark or
// another name follows it.
func ends(line []byte, i int) bool {
	if i >= len(line) || line[i] <= ' ' || quoteSet[line[i]] {
		return true
	}
	j := i
	for j < len(line) && (wordDash[line[j]] || line[j] == '.' || line[j] == '[' || line[j] == ']' || line[j] == ' ') && j-i < 64 {
		j++
	}
	if c, _ := escaped(line, j); j > i && (c == '=' || c == ':') {
		return true
	}
	return false
}

const maxClosing = 16 // brackets and the like at the end of a value

// closes reports whether only brackets, punctuation and quotation marks precede the next blank.
func closes(line []byte, i int) bool {
	for end := min(len(line), i+maxClosing); i < end; i++ {
		switch line[i] {
		case ' ', '\t', '\n', '\r', '"', '\'', ',', ';', '&', '\\':
			return true
		case ')', ']', '}', '>', '.', ':', '!', '/':
		default:
			return false
		}
	}
	return true
}
