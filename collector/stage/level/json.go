package level

import (
	"bytes"
	"unicode/utf8"

	"lighter/collector/internal/jsontext"
)

// begins reports whether a line begins like a JSON object. The object may be cut.
func begins(line []byte) bool {
	i := skipSpace(line, 0)
	if i == len(line) || line[i] != '{' {
		return false
	}
	i = skipSpace(line, i+1)
	return i < len(line) && line[i] == '"'
}

// object collects what a JSON object says about its level. It is read as Loki reads it: up to the first
// string field with a name that Loki knows, in the object or in one nested directly in it, and only as far
// as the object is well-formed.
type object struct {
	full bool // read on, to find what Loki does not know

	loki  Level // the level in that field
	is    class
	found bool // there is such a field

	whole   bool  // the object was read to its end
	fields  int   // top-level fields read so far
	text    Level // of a top-level string field whose name Loki knows
	other   Level // of a string field with another known name
	number  int   // of a number field "level"; 0 if there is none
	numbers bool  // there is such a number field
	format  format
}

// format is the set of formats that the names of some fields indicate.
type format uint8

const (
	mongo     format = 1 << iota // begins with {"t":{
	compact                      // begins with {"@t":
	serilog                      // and it has a message template or a message
	nextcloud                    // begins with {"reqId":
	gelf                         // it has a short_message
)

// detected returns the level that Loki finds for the line, which it takes for JSON.
func (o *object) detected(line []byte) Level {
	if o.is&byLoki != 0 {
		return o.loki
	}
	return words(line)
}

// level returns the actual level of the object.
func (o *object) level() Level {
	switch {
	case o.text != Unknown:
		return o.text
	case o.numbers && o.ofNumber() != Unknown:
		return o.ofNumber()
	case o.other != Unknown:
		return o.other
	case o.format&serilog != 0 && o.whole:
		return Info // Serilog omits it
	}
	return o.loki
}

// ofNumber returns the level of a number: Nextcloud's, GELF's (which is syslog's), or that of pino and
// bunyan.
func (o *object) ofNumber() Level {
	switch n := o.number; {
	case o.format&nextcloud != 0 && 0 <= n && n <= 3:
		return Debug + Level(n)
	case o.format&nextcloud != 0 && n == 4:
		return Fatal
	case o.format&gelf != 0:
		return severity(n)
	case n == 60:
		return Fatal
	case n >= 10 && n < 60 && n%10 == 0:
		return Trace + Level(n/10-1)
	}
	return Unknown
}

// read reads an object.
func (o *object) read(line []byte) { o.whole = o.walk(line, true) }

// walk reads the top-level object, or one nested directly in it. It returns false once it knows enough, or
// if the object is not well-formed.
func (o *object) walk(data []byte, top bool) bool {
	i := skipSpace(data, 0)
	if i == len(data) || data[i] != '{' {
		return false
	}
	i = skipSpace(data, i+1)
	if i < len(data) && data[i] == '}' {
		return true
	}
	for i < len(data) {
		if data[i] != '"' {
			return data[i] == '}'
		}
		end, escaped := keyEnd(data, i+1)
		if end < 0 {
			return false
		}
		key := data[i+1 : end]
		if escaped {
			var memory [keyMemory]byte
			var ok bool
			if key, ok = unescapeKey(memory[:0], key); !ok {
				return false
			}
		}
		i = skipSpace(data, end+1)
		if i == len(data) || data[i] != ':' {
			return false
		}
		i = skipSpace(data, i+1)
		if i == len(data) {
			return false
		}
		start := i
		goOn := true
		switch c := data[i]; {
		case c == '"':
			if end = stringEnd(data, i+1); end < 0 {
				return false
			}
			i = end + 1
			goOn = o.string(key, data[start+1:end], top)
		case c == '{':
			if i = blockEnd(data, i, '{', '}'); i < 0 {
				return false
			}
			goOn = !top || o.walk(data[start:i], false)
			if o.fields == 0 && string(key) == "t" {
				o.format |= mongo
			}
		case c == '[':
			if i = blockEnd(data, i, '[', ']'); i < 0 {
				return false
			}
		default:
			i = scalarEnd(data, i)
			if !isScalar(data[start:i]) {
				return false
			}
			if top && o.full && string(key) == "level" {
				o.number, o.numbers = smallNumber(data[start:i])
			}
		}
		if !goOn {
			return false
		}
		if top {
			o.fields++
		}
		i = skipSpace(data, i)
		if i == len(data) || data[i] != ',' {
			return i < len(data) && data[i] == '}'
		}
		i = skipSpace(data, i+1)
	}
	return false
}

// string records a string field, and reports whether to read on.
func (o *object) string(key, value []byte, top bool) bool {
	if isLevelField(key) {
		if !o.found {
			o.found = true
			o.loki, o.is = classify(value)
		}
		if top && o.text == Unknown {
			o.text = named(value, inField)
		}
		return o.full && o.text == Unknown
	}
	if !top || !o.full {
		return true
	}
	switch string(key) {
	case "@t":
		if o.fields == 0 {
			o.format |= compact
		}
	case "@mt", "@m":
		if o.format&compact != 0 {
			o.format |= serilog
		}
	case "reqId":
		if o.fields == 0 {
			o.format |= nextcloud
		}
	case "short_message":
		o.format |= gelf
	case "s":
		if o.fields == 1 && o.format&mongo != 0 && len(value) > 0 {
			o.other = letter(value[0])
		}
	case "level_name", "levelname", "log_level", "loglevel", "logLevel", "LogLevel", "@l", "L":
		if o.other == Unknown {
			o.other = named(value, inField)
		}
	}
	return true
}

// isLevelField reports whether Loki takes a field with this name for the level.
func isLevelField(key []byte) bool {
	switch string(key) {
	case "level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText",
		"lvl", "LVL", "Lvl", "severity_text", "Severity_Text", "SEVERITY_TEXT":
		return true
	}
	return false
}

// smallNumber reads a number of up to three digits.
func smallNumber(s []byte) (n int, ok bool) {
	for _, c := range s {
		if c < '0' || '9' < c || n > 99 {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// keyEnd returns the index of the quote that ends a key beginning at i, or -1, and whether the key contains
// escapes.
func keyEnd(data []byte, i int) (end int, escaped bool) {
	for ; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
			escaped = true
			i++
		}
	}
	if i >= len(data) {
		return -1, escaped
	}
	return i, escaped
}

// stringEnd returns the index of the quote that ends the string beginning at i, or -1.
func stringEnd(data []byte, i int) int {
	for from := i; ; {
		n := bytes.IndexByte(data[from:], '"')
		if n < 0 {
			return -1
		}
		end := from + n
		slashes := end
		for slashes > i && data[slashes-1] == '\\' {
			slashes--
		}
		if (end-slashes)%2 == 0 {
			return end
		}
		from = end + 1
	}
}

// blockEnd returns the index after the object or array that begins at i, or -1. It counts brackets of one
// kind only, as Loki's parser does.
func blockEnd(data []byte, i int, begin, end byte) int {
	depth := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			if i = stringEnd(data, i+1); i < 0 {
				return -1
			}
		case begin:
			depth++
		case end:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// scalarEnd returns the index after a number, true, false or null.
func scalarEnd(data []byte, i int) int {
	for ; i < len(data); i++ {
		switch data[i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return i
}

// isScalar reports whether Loki's parser takes a word for a number, true, false or null.
func isScalar(word []byte) bool {
	switch string(word) {
	case "":
		return false
	case "true", "false", "null":
		return true
	}
	return word[0] == '-' || '0' <= word[0] && word[0] <= '9'
}

// keyMemory is more than the length of any key of interest.
const keyMemory = 64

// unescapeKey returns a key with its escapes undone, in memory; it may cut a long key. ok is false for an
// escape that Loki's parser does not know, such as half of a surrogate pair.
func unescapeKey(memory, key []byte) ([]byte, bool) {
	for i := 0; i < len(key); {
		r, size := rune(key[i]), 1
		if r == '\\' {
			if i+1 == len(key) {
				return nil, false
			}
			size = 2
			switch c := key[i+1]; c {
			case '"', '\\', '/':
				r = rune(c)
			case 'b', 'f', 'n', 'r', 't':
				r = ' ' // no key of interest has one
			case 'u':
				var ok bool
				if r, ok = jsontext.Hex(key[i:]); !ok {
					return nil, false
				}
				size = 6
				if 0xD800 <= r && r <= 0xDFFF {
					low, ok := jsontext.Hex(key[i+6:])
					if !ok || low < 0xDC00 {
						return nil, false
					}
					r, size = utf8.RuneError, 12
				}
			default:
				return nil, false
			}
		}
		if len(memory)+utf8.UTFMax <= keyMemory {
			memory = utf8.AppendRune(memory, r)
		}
		i += size
	}
	return memory, true
}
