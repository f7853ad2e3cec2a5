package plain

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/value"
)

var errNoNumber = errors.New("no number")

// exactTens are the powers of ten that a float64 holds exactly; not changed.
var exactTens = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// Float reads the number that b begins with, up to a space or the end of the line, and
// returns how long it is. ok is false for what is none, or is not followed by either.
//
// Digits that make an integer below 2^53, times or by a power of ten that is exact too, are
// one correctly rounded operation away from the right float (Clinger, 1990); all else, which
// is rare on pages, is left to the library.
func Float(b []byte) (v float64, size int, ok bool) {
	i, negative := 0, false
	if len(b) > 0 && b[0] == '-' {
		i, negative = 1, true
	}
	first := i
	var digits uint64
	for ; i < len(b) && b[i]-'0' < 10; i++ {
		digits = digits*10 + uint64(b[i]-'0')
	}
	n := i - first // digits so far: more than 19 do not fit
	exponent := 0
	if i < len(b) && b[i] == '.' && n > 0 {
		point := i + 1
		for i = point; i < len(b) && b[i]-'0' < 10; i++ {
			digits = digits*10 + uint64(b[i]-'0')
		}
		exponent = point - i
		n -= exponent
	}
	if i < len(b) && b[i]|0x20 == 'e' && n > 0 {
		e, k := readExponent(b[i+1:])
		if k == 0 {
			return readOddFloat(b)
		}
		exponent += e
		i += 1 + k
	}
	if i == len(b) || b[i] != '\n' && b[i] != ' ' || n == 0 || n > 19 || digits > 1<<53 || exponent < -22 || exponent > 22 {
		return readOddFloat(b)
	}
	v = float64(digits)
	if exponent < 0 {
		v /= exactTens[-exponent]
	} else {
		v *= exactTens[exponent]
	}
	if negative {
		v = -v
	}
	return v, i, true
}

// readExponent reads what follows an e: a sign if there is one, and one or two digits.
// Of anything else the size is 0.
func readExponent(b []byte) (e, size int) {
	i, negative := 0, false
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		i, negative = 1, b[0] == '-'
	}
	first := i
	for ; i < len(b) && b[i]-'0' < 10; i++ {
		if i-first == 2 {
			return 0, 0
		}
		e = e*10 + int(b[i]-'0')
	}
	if i == first {
		return 0, 0
	}
	if negative {
		e = -e
	}
	return e, i
}

// readOddFloat is Float for all numbers.
func readOddFloat(b []byte) (v float64, size int, ok bool) {
	for size < len(b) && b[size] != '\n' && b[size] != ' ' {
		size++
	}
	if size == len(b) {
		return 0, 0, false
	}
	v, err := parseFloat(b[:size])
	return v, size, err == nil
}

// parseFloat is what textparse takes for a number, and what it makes of it.
func parseFloat(b []byte) (float64, error) {
	if len(b) == 3 && string(b) == "NaN" {
		return math.Float64frombits(value.NormalNaN), nil
	}
	if bytes.ContainsAny(b, "pP_") {
		return 0, errNoNumber
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if math.IsNaN(v) {
		v = math.Float64frombits(value.NormalNaN)
	}
	return v, err
}

// Millis reads a time as the Prometheus text format has it, up to the end of the line.
// ok is false for what the parser of that format is to look at.
func Millis(b []byte) (t int64, size int, ok bool) {
	for size < len(b) && b[size]-'0' < 10 && size < 19 {
		t = t*10 + int64(b[size]-'0')
		size++
	}
	return t, size, size > 0 && size < 19 && size < len(b) && b[size] == '\n'
}

// Seconds reads a time as OpenMetrics has it, up to a space or the end of the line.
func Seconds(b []byte) (t int64, size int, ok bool) {
	seconds, size, ok := Float(b)
	if !ok || math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		return 0, 0, false
	}
	return int64(seconds * 1000), size, true
}
