package plain

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/value"
)

var errNoNumber = errors.New("no number")

// exactTens are the powers of ten that a float64 represents exactly. They are read-only.
var exactTens = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// Float reads the number that b begins with and returns its length. The number must end with a space or the
// end of the line; otherwise ok is false.
//
// If the digits form an integer below 2^53 and are multiplied or divided by an exact power of ten, one
// correctly rounded operation gives the right float (Clinger, 1990). The library parses all other numbers,
// which are rare on pages.
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
	n := i - first // digits so far; more than 19 overflow
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

// readExponent reads what follows an e: an optional sign, and one or two digits. The size of anything else
// is 0.
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

// parseFloat parses a number exactly as textparse does.
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

// Millis reads a timestamp of the Prometheus text format, up to the end of the line. If ok is false, the
// parser of that format must read it.
func Millis(b []byte) (t int64, size int, ok bool) {
	for size < len(b) && b[size]-'0' < 10 && size < 19 {
		t = t*10 + int64(b[size]-'0')
		size++
	}
	return t, size, size > 0 && size < 19 && size < len(b) && b[size] == '\n'
}

// Seconds reads an OpenMetrics timestamp, up to a space or the end of the line.
func Seconds(b []byte) (t int64, size int, ok bool) {
	seconds, size, ok := Float(b)
	if !ok || math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		return 0, 0, false
	}
	return int64(seconds * 1000), size, true
}
