package process

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// luhn is stage.luhn.
type luhn struct {
	source      int
	replacement string
	min         int // minimum number of digits
	delimiters  string
	skip        *regexp.Regexp // may be nil
}

func (o *luhn) run(r *runner, x *entry, at int) int {
	input := x.Line
	if o.source != line {
		v := x.values[o.source]
		if v.kind != text {
			return at + 1
		}
		input = v.bytes
	}
	made, changed := o.replace(r.buffer[:0], input)
	switch {
	case changed:
		x.Line = r.keep(x, made) // as in Alloy, even for another source
	case o.source != line:
		x.Line = input
	}
	return at + 1
}

// maxLuhnDigits is the length of the longest number that Alloy reads.
const maxLuhnDigits = 19

// replace appends input to b and replaces the numbers that pass the check. If there are none, changed is
// false and nothing is appended.
func (o *luhn) replace(b, input []byte) (_ []byte, changed bool) {
	var skipped [][]int
	done := 0 // bytes of input that have been copied to b
	for i := 0; i < len(input); {
		if !isDigit(input[i]) {
			i++
			continue
		}
		start, end, behind, n := i, i, i, 0 // behind is the end including the delimiters after the number
		last := 0                           // number of those delimiters at the end
		var digits [maxLuhnDigits]byte
		for i < len(input) {
			if isDigit(input[i]) {
				if n < maxLuhnDigits {
					digits[n] = input[i] - '0'
				}
				n++
				i++
				end, behind, last = i, i, 0
				continue
			}
			c, size := utf8.DecodeRune(input[i:])
			if o.delimiters == "" || !strings.ContainsRune(o.delimiters, c) || c == utf8.RuneError && size == 1 {
				break
			}
			i += size
			behind, last = i, size
		}
		if n < o.min || n > maxLuhnDigits || !passesLuhn(digits[:n]) {
			continue
		}
		if o.skip != nil {
			if skipped == nil {
				if skipped = o.skip.FindAllIndex(input, -1); skipped == nil {
					skipped = [][]int{}
				}
			}
			if within(skipped, start, end) {
				continue
			}
		}
		b = append(append(b, input[done:start]...), o.replacement...)
		b = append(b, input[behind-last:behind]...)
		done, changed = behind, true
	}
	if !changed {
		return b, false
	}
	return append(b, input[done:]...), true
}

func within(spans [][]int, start, end int) bool {
	for _, s := range spans {
		if s[0] <= start && end <= s[1] {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// passesLuhn reports whether digits pass the Luhn check.
func passesLuhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i])
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
