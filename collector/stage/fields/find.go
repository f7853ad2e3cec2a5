package fields

import (
	"bytes"
	"math/bits"
	"strings"

	"lighter/collector/internal/jsontext"
)

// Finder finds the values of several paths in one pass over a line. It is immutable, and safe for
// concurrent use.
type Finder struct {
	groups []group
	paths  int
}

// group is a set of up to 64 paths, so that a uint64 can represent any subset.
type group struct {
	texts []string
	all   uint64
	heads [256]uint64 // by byte: the paths that begin with it
}

// NewFinder returns a Finder of paths, in that order.
func NewFinder(paths ...Path) *Finder {
	f := &Finder{paths: len(paths)}
	for len(paths) > 0 {
		n := min(len(paths), 64)
		g := group{all: 1<<n - 1}
		for i, p := range paths[:n] {
			g.texts = append(g.texts, p.text)
			if p.text != "" { // the zero Path is found nowhere
				g.heads[p.text[0]] |= 1 << i
			}
		}
		f.groups, paths = append(f.groups, g), paths[n:]
	}
	return f
}

// Find sets values[i] to the value of path i; its kind is None if the line does not have the field. There
// must be as many values as paths. If several fields have the same key, it takes the first, as Loki's
// parser does, and not the last, as encoding/json does. It does not search objects in arrays. It reports
// whether the line is a JSON object or contains at least one logfmt pair, whatever text precedes it;
// otherwise there are no values.
func (f *Finder) Find(line []byte, values []Value) bool {
	clear(values)
	if i := skipSpace(line, 0); i < len(line) && line[i] == '{' {
		if i = skipSpace(line, i+1); i == len(line) || line[i] == '"' || line[i] == '}' {
			for n := range f.groups {
				g := &f.groups[n]
				s := search{group: g, line: line, values: values}
				s.object(i, 0, g.all, true)
				values = values[len(g.texts):]
			}
			return true
		}
	}
	if bytes.IndexByte(line, '=') < 0 {
		return false
	}
	if len(f.groups) == 0 {
		return hasPair(line)
	}
	for n := range f.groups {
		g := &f.groups[n]
		s := search{group: g, line: line, values: values[:len(g.texts)]}
		if !s.logfmt() {
			clear(s.values)
			return false
		}
		values = values[len(g.texts):]
	}
	return true
}

// search is the search for a group's paths in one line.
type search struct {
	*group
	line   []byte
	values []Value
	found  uint64 // paths with a final value
	second uint64 // paths with a value that a better one may replace
}

// set sets the value of the paths in set that have no final value yet. A value that is not final does not
// replace another one.
func (s *search) set(set uint64, v Value, final bool) {
	if v.Kind == String {
		v.Escaped = bytes.IndexByte(v.Raw, '\\') >= 0
	}
	if final {
		s.found |= set
	} else {
		set &^= s.second
		s.second |= set
	}
	for ; set != 0; set &= set - 1 {
		s.values[bits.TrailingZeros64(set)] = v
	}
}

// object searches an object for the paths in live, whose first offset bytes are the keys that lead to the
// object. i is the index after the opening brace. It returns the index after the closing brace, or -1 if
// the search is over: everything is found, or the line ends or is not valid JSON from here on. straight
// reports that no key so far contains a dot.
func (s *search) object(i, offset int, live uint64, straight bool) int {
	line := s.line
	for {
		i = skipSpace(line, i)
		if i == len(line) {
			return -1
		}
		switch line[i] {
		case '"':
		case ',':
			i++
			continue
		case '}':
			return i + 1
		default:
			return -1
		}
		i++
		quote := stringEnd(line, i)
		if quote < 0 {
			return -1
		}
		key := line[i:quote]
		i = quote + 1
		if i < len(line) && line[i] != ':' {
			i = skipSpace(line, i)
		}
		if i == len(line) || line[i] != ':' {
			return -1
		}
		i = skipSpace(line, i+1)
		if i == len(line) {
			return -1
		}
		leaf, deep, end := s.match(key, offset, live&^s.found)
		final := straight && (leaf|deep == 0 || !s.dotted(leaf|deep, offset, end))

		v := Value{}
		start := i
		switch c := line[i]; {
		case c == '"':
			quote := stringEnd(line, i+1)
			if quote < 0 {
				return -1
			}
			v, i = Value{Raw: line[i+1 : quote], Kind: String}, quote+1
		case c == '{':
			if deep != 0 {
				i = s.object(i+1, end+1, deep, final)
			} else {
				i = skipBlock(line, i)
			}
			v.Kind = Object
		case c == '[':
			i = skipBlock(line, i)
			v.Kind = Array
		default:
			i = scalarEnd(line, i)
			if i < 0 {
				return -1
			}
			v.Kind = scalarKind(line[start:i])
			if v.Kind == None {
				return -1
			}
		}
		if i < 0 {
			return -1
		}
		if leaf == 0 {
			continue
		}
		if v.Kind != String {
			v.Raw = line[start:i]
		}
		if s.set(leaf, v, final); s.found == s.all {
			return -1
		}
	}
}

// match compares key with the paths in live at offset. It returns the paths that end with key, those that
// continue after it, and the offset of its end.
func (s *search) match(key []byte, offset int, live uint64) (leaf, deep uint64, end int) {
	if len(key) == 0 {
		return 0, 0, 0
	}
	if offset == 0 && key[0] != '\\' {
		live &= s.heads[key[0]]
	}
	if live == 0 {
		return 0, 0, 0
	}
	var memory [64]byte
	if bytes.IndexByte(key, '\\') >= 0 {
		key = jsontext.Unescape(memory[:0], key)
	}
	for ; live != 0; live &= live - 1 {
		rest := s.texts[bits.TrailingZeros64(live)][offset:]
		if len(rest) < len(key) || rest[:len(key)] != string(key) {
			continue
		}
		switch bit := live & -live; {
		case len(rest) == len(key):
			leaf |= bit
		case rest[len(key)] == '.':
			deep |= bit
		}
	}
	return leaf, deep, offset + len(key)
}

// dotted reports whether a key that the paths in set have between the two offsets contains a dot.
func (s *search) dotted(set uint64, offset, end int) bool {
	return strings.IndexByte(s.texts[bits.TrailingZeros64(set)][offset:end], '.') >= 0
}

// skipSpace returns the index of the first byte from i on that is not JSON white space.
func skipSpace(line []byte, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t' || line[i] == '\n' || line[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns the index of the quote that ends the string beginning at i, or -1.
func stringEnd(line []byte, i int) int {
	for from := i; ; {
		n := bytes.IndexByte(line[from:], '"')
		if n < 0 {
			return -1
		}
		end := from + n
		slashes := end
		for slashes > i && line[slashes-1] == '\\' {
			slashes--
		}
		if (end-slashes)%2 == 0 {
			return end
		}
		from = end + 1
	}
}

// skipBlock returns the index after the object or array that begins at i, or -1 if it does not end.
func skipBlock(line []byte, i int) int {
	depth := 0
	for ; i < len(line); i++ {
		switch line[i] {
		case '"':
			if i = stringEnd(line, i+1); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// scalarEnd returns the index after a number, true, false or null that begins at i, or -1 if the line may
// have been cut inside it.
func scalarEnd(line []byte, i int) int {
	for ; i < len(line); i++ {
		switch line[i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return -1
}

// scalarKind returns the kind of a word without quotes, or None if it is not a JSON value.
func scalarKind(word []byte) Kind {
	switch string(word) {
	case "":
		return None
	case "true", "false":
		return Bool
	case "null":
		return Null
	}
	if c := word[0]; c == '-' || '0' <= c && c <= '9' {
		return Number
	}
	return None
}
