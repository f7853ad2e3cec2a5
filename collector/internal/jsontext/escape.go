// Package jsontext reads the escapes in JSON strings.
package jsontext

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Short maps the second byte of each two-byte escape, such as \n, to its character, and all other bytes to 0.
var Short = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'} // never modified

// Escape returns the character of the escape that b begins with, and the escape's length, or a length of 0 if there is
// no escape. Half a surrogate pair is an escape but not a character; it becomes U+FFFD, as in encoding/json.
func Escape(b []byte) (r rune, n int) {
	if len(b) >= 2 && Short[b[1]] != 0 && b[0] == '\\' {
		return rune(Short[b[1]]), 2
	}
	r, ok := Hex(b)
	switch {
	case !ok:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 6
	}
	low, _ := Hex(b[6:])
	if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
		return r, 12
	}
	return r, 6
}

// Hex returns the number in the escape \uXXXX that b begins with.
func Hex(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Unescape appends the content of a JSON string to dst with its escapes undone; s has no quotes. It copies invalid
// escapes as they are.
func Unescape(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			return append(dst, s...)
		}
		dst, s = append(dst, s[:i]...), s[i:]
		r, n := Escape(s)
		if n == 0 {
			dst, s = append(dst, s[:2]...), s[2:]
			continue
		}
		dst, s = utf8.AppendRune(dst, r), s[n:]
	}
}
