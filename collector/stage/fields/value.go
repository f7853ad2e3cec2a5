package fields

import (
	"math"
	"strconv"
	"unsafe"

	"lighter/collector/internal/jsontext"
)

// Kind is the type of a value.
type Kind int

// The kinds of values. None means that the line does not have the field.
const (
	None Kind = iota
	String
	Number
	Bool
	Null
	Object
	Array
)

// Value is a field's value. An unquoted logfmt value is a Number or a Bool if it is written as one; any
// other is a String. A key without a value has the empty String.
type Value struct {
	Raw     []byte // a slice of the line; for a string, what is between the quotes, still escaped
	Kind    Kind
	Escaped bool // Raw contains escapes
}

// Text returns the unescaped value. Without escapes it returns Raw itself. Otherwise it writes the value to
// dst, from its beginning, or to new memory if dst is too small; the result is then valid until the caller
// reuses dst.
func (v Value) Text(dst []byte) []byte {
	if !v.Escaped {
		return v.Raw
	}
	return jsontext.Unescape(dst[:0], v.Raw)
}

// Float returns the value of a number, or of a string that holds one: decimal, finite, without spaces.
func (v Value) Float() (float64, bool) {
	if v.Kind != Number && v.Kind != String {
		return 0, false
	}
	n, ok := parseDecimal(v.Raw)
	if !ok {
		return 0, false
	}
	if f, ok := n.exact(); ok {
		return f, true
	}
	// ParseFloat retains its argument only in the error for a number that is too large.
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(v.Raw), len(v.Raw)), 64)
	return f, err == nil
}

// decimal is the digits of a number and its power of ten.
type decimal struct {
	digits   uint64
	exp      int
	negative bool
	long     bool // the number has more digits than digits holds
}

// parseDecimal reads a number such as -12.5e-3. ok is false for anything else.
func parseDecimal(s []byte) (n decimal, ok bool) {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		n.negative = s[i] == '-'
		i++
	}
	point, any := false, false
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			any = true
			if n.digits >= 1<<53/10 {
				n.long = true
				continue
			}
			n.digits = n.digits*10 + uint64(c-'0')
			if point {
				n.exp--
			}
			continue
		case c == '.' && !point:
			point = true
			continue
		}
		break
	}
	if !any {
		return n, false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		exp, sign := 0, 1
		if i++; i < len(s) && (s[i] == '-' || s[i] == '+') {
			if s[i] == '-' {
				sign = -1
			}
			i++
		}
		if i == len(s) {
			return n, false
		}
		for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
			exp = min(exp*10+int(s[i]-'0'), math.MaxInt16)
		}
		n.exp += sign * exp
	}
	return n, i == len(s)
}

// exact returns the number if one multiplication or division of exact numbers yields it, which is the case
// for nearly all logged numbers.
func (n decimal) exact() (float64, bool) {
	if n.long || n.exp < -22 || n.exp > 22 {
		return 0, false
	}
	f := float64(n.digits)
	if n.exp < 0 {
		f /= powersOfTen[-n.exp]
	} else {
		f *= powersOfTen[n.exp]
	}
	if n.negative {
		f = -f
	}
	return f, true
}

// powersOfTen are the powers of ten that a float64 represents exactly.
var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}
