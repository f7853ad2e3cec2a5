package redact

import "bytes"

// longestUserInfo is the longest text between :// and @ that is searched.
const longestUserInfo = 256

// urlEnd holds the bytes that can occur neither before the @ of a URL nor in its host.
var urlEnd = setOf(" \t\r\n\"'`<>/?#,;()\x00")

// findURLPassword finds the password of a URL: scheme://user:password@host. at is an @.
func findURLPassword(line []byte, at int, _ *anchor) (span, bool) {
	// The password ends at the last @.
	last := at
	for i := at + 1; i < len(line) && i-at < longestUserInfo && (!urlEnd[line[i]] && line[i] != '\\'); i++ {
		if line[i] == '@' {
			last = i
		}
	}
	colon := -1
	begin := at
	for ; begin > 0 && at-begin < longestUserInfo; begin-- {
		c := line[begin-1]
		if c == '/' {
			break
		}
		if c != '<' && c != '>' && c != ',' && c != ';' && c != '(' && c != ')' && c != '#' && c != '?' && urlEnd[c] {
			return span{to: last + 1}, false
		}
		if c == ':' {
			colon = begin - 1
		}
	}
	if colon < 0 || !afterScheme(line, begin) {
		return span{to: last + 1}, false
	}
	if value := line[colon+1 : last]; len(value) == 0 || placeholder(value) || bytes.Equal(value, []byte("xxxxx")) {
		return span{}, false
	}
	return span{from: colon + 1, to: last, rule: urlPassword}, true
}

// afterScheme reports whether a letter or digit and then ://, with or without escaped slashes, precede
// line[i:].
func afterScheme(line []byte, i int) bool {
	for range 2 {
		if i < 2 || line[i-1] != '/' {
			return false
		}
		if i--; line[i-1] == '\\' {
			i--
		}
	}
	return i >= 2 && line[i-1] == ':' && alnum[line[i-2]]
}
