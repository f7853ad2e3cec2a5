package level

import (
	"bytes"
	"unicode/utf8"

	"lighter/collector/internal/jsontext"
)

// logfmtLevel returns the value of the field that Loki takes for the level of a logfmt line. If there are
// several, Loki takes the one whose name is first in its list, and the first of equal ones. A damaged pair
// ends the search.
func logfmtLevel(line []byte) (l Level, is class) {
	best := notLevel
	for i := 0; ; {
		for i < len(line) && line[i] <= ' ' {
			i++
		}
		if i == len(line) {
			return l, is
		}
		start, ascii := i, true
		for i < len(line) && line[i] > ' ' && line[i] != '=' && line[i] != '"' {
			ascii = ascii && line[i] < utf8.RuneSelf
			i++
		}
		key := line[start:i]
		if !ascii && bytes.ContainsRune(key, utf8.RuneError) {
			return l, is
		}
		var value []byte
		escaped := false
		if i < len(line) && line[i] > ' ' {
			if line[i] == '"' || i == start {
				return l, is
			}
			var ok bool
			if value, i, escaped, ok = logfmtValue(line, i+1); !ok {
				return l, is
			}
		}
		r := rank(key, ascii)
		if escaped {
			own, ownIs, ok := escapedLevel(value)
			if !ok {
				return l, is
			}
			if r < best {
				l, is, best = own, ownIs, r
			}
		} else if r < best {
			l, is = classify(value)
			best = r
		}
		if best == 0 {
			return l, is
		}
	}
}

// logfmtValue returns the value that begins at i, without quotes, and the index after it.
func logfmtValue(line []byte, i int) (value []byte, end int, escaped, ok bool) {
	if i < len(line) && line[i] == '"' {
		i++
		for end = i; end < len(line) && line[end] != '"'; end++ {
			if line[end] == '\\' {
				escaped = true
				end++
			}
		}
		if end >= len(line) {
			return nil, 0, false, false
		}
		return line[i:end], end + 1, escaped, true
	}
	for end = i; end < len(line) && line[end] > ' '; end++ {
		if line[end] == '=' || line[end] == '"' {
			return nil, 0, false, false
		}
	}
	return line[i:end], end, false, true
}

// notLevel is greater than the ranks of all level fields.
const notLevel = 255

// rank returns the position of a key in Loki's list of level fields. Case does not matter.
func rank(key []byte, ascii bool) int {
	switch len(key) {
	case 3, 5, 8, 9, 12, 13:
	default:
		if ascii {
			return notLevel
		}
	}
	if ascii {
		switch key[0] {
		case 'l', 'L', 's', 'S':
		default:
			return notLevel
		}
	}
	for i, name := range []string{"level", "log.level", "severity", "severitytext", "lvl", "severity_text"} {
		if (len(key) == len(name) || !ascii) && bytes.EqualFold(key, []byte(name)) {
			return i
		}
	}
	return notLevel
}

// escapedLevel is classify for a logfmt value with escapes. ok is false if Loki's parser does not know one
// of the escapes.
func escapedLevel(s []byte) (l Level, is class, ok bool) {
	var memory [maxName + utf8.UTFMax]byte
	name := memory[:0]
	add := func(r rune) {
		if len(name) <= maxName {
			name = utf8.AppendRune(name, r)
		}
	}
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			r, size := utf8.DecodeRune(s[i:])
			add(r)
			i += size
			continue
		}
		if i+1 == len(s) {
			return Unknown, 0, false
		}
		switch c := s[i+1]; c {
		case '"', '\\', '/', '\'':
			add(rune(c))
		case 'b', 'f', 'n', 'r', 't':
			add(' ') // no level's name has one
		case 'u':
			r, n := jsontext.Escape(s[i:])
			if n == 0 {
				return Unknown, 0, false
			}
			add(r)
			i += n - 2
		default:
			return Unknown, 0, false
		}
		i += 2
	}
	l, is = classify(name)
	return l, is, true
}
