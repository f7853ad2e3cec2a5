package filelog

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"lighter/collector/internal/jsontext"
)

// nextSpecial returns the index in b, from i on, of the first quote, backslash or control character, which
// need treatment in a JSON string, or len(b) if there is none. seen has the highest bit of a byte set if a
// byte before that may not be ASCII.
//
// Most bytes of a log are none of these, so eight are examined at a time.
func nextSpecial(b []byte, i int) (at int, seen uint64) {
	for len(b)-i >= 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		seen |= x
		if m := specials(x); m != 0 {
			return i + bits.TrailingZeros64(m)/8, seen
		}
		i += 8
	}
	for ; i < len(b); i++ {
		c := b[i]
		seen |= uint64(c)
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return i, seen
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// specials returns x with the highest bit set in the first byte that is a quote, a backslash or a control
// character; it returns 0 if there is none. The bits of later bytes are meaningless: a subtraction borrows
// from the next byte only where one was found.
func specials(x uint64) uint64 {
	control := (x - ones*' ') &^ x
	quote := x ^ ones*'"'
	quote = (quote - ones) &^ quote
	backslash := x ^ ones*'\\'
	backslash = (backslash - ones) &^ backslash
	return (control | quote | backslash) & highs
}

// endOfString returns the index of the closing quote of the JSON string whose content b begins with. It
// checks everything except the UTF-8.
func endOfString(b []byte) (end int, ok bool) {
	for i := 0; ; {
		if i, _ = nextSpecial(b, i); i == len(b) {
			return 0, false
		}
		if b[i] == '"' {
			return i, true
		}
		_, n := jsontext.Escape(b[i:])
		if n == 0 {
			return 0, false
		}
		i += n
	}
}

// unquote unescapes the JSON string that follows beforeLog in line and whose first escape is at i. It
// writes the text to the beginning of line, and returns the text, the index of the closing quote, and
// nextSpecial's seen. ok is false if there is no valid JSON string. line is overwritten in any case.
//
// No string is longer than its quoted form, so writing stays behind reading by at least the eight bytes of
// beforeLog, and eight bytes can be moved at a time.
func unquote(line []byte, i int) (text []byte, end int, seen uint64, ok bool) {
	w := copy(line, line[len(beforeLog):i])
	for i < len(line) {
		if len(line)-i >= 8 {
			x := binary.LittleEndian.Uint64(line[i:])
			seen |= x
			binary.LittleEndian.PutUint64(line[w:], x)
			n := bits.TrailingZeros64(specials(x)) / 8 // eight if there is none
			i += n
			w += n
			if n == 8 {
				continue
			}
		}
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line) && jsontext.Short[line[i+1]] != 0: // nearly all have two bytes
			line[w] = jsontext.Short[line[i+1]]
			w++
			i += 2
		case c == '\\':
			r, n := jsontext.Escape(line[i:])
			if n == 0 {
				return nil, 0, 0, false
			}
			w += utf8.EncodeRune(line[w:], r)
			i += n
		case c == '"':
			return line[:w], i, seen, true
		case c < ' ': // JSON requires an escape
			return nil, 0, 0, false
		default:
			seen |= uint64(c)
			line[w] = c
			w++
			i++
		}
	}
	return nil, 0, 0, false
}
