package process

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"lighter/collector/internal/jsontext"
)

// span is a value in a JSON text: its bytes from start to end. It is null if end is 0.
type span struct{ start, end int }

// tree holds the wanted values of a JSON object, by key.
type tree struct {
	children []branch
}

type branch struct {
	key     string
	targets []int // indexes of the spans that receive the value
	below   tree  // wanted values inside it, if it is an object
}

// want adds the value at a path to the wanted ones.
func (t *tree) want(path []string, target int) {
	for i := range t.children {
		if c := &t.children[i]; c.key == path[0] {
			c.want(path[1:], target)
			return
		}
	}
	t.children = append(t.children, branch{key: path[0]})
	t.children[len(t.children)-1].want(path[1:], target)
}

func (b *branch) want(path []string, target int) {
	if len(path) == 0 {
		b.targets = append(b.targets, target)
		return
	}
	b.below.want(path, target)
}

// forget sets the wanted spans below to null, because a later value with the same key replaces them.
func (t *tree) forget(spans []span) {
	for i := range t.children {
		c := &t.children[i]
		for _, target := range c.targets {
			spans[target] = span{}
		}
		c.below.forget(spans)
	}
}

// maxDepth limits the nesting of a JSON text.
const maxDepth = 10000

// jsonScanner reads a JSON text.
type jsonScanner struct {
	line  []byte
	spans []span
	depth int

	fold  bool           // ignore the case of keys, as encoding/json does
	keys  *regexp.Regexp // keys of the outermost object that are also wanted; may be nil
	keyed []pair         // values found for keys
}

type pair struct {
	key   string
	value span
}

// document reads a complete text and reports whether it is an object or null.
func (s *jsonScanner) document(t *tree) bool {
	i := skipSpace(s.line, 0)
	if i == len(s.line) {
		return false
	}
	if s.line[i] == '{' {
		i = s.object(i, t)
	} else {
		i = s.literal(i, "null")
	}
	return i >= 0 && skipSpace(s.line, i) == len(s.line)
}

// value reads the value that begins at i. It returns the index after the value, or -1 if it is not valid.
func (s *jsonScanner) value(i int) int {
	if i >= len(s.line) {
		return -1
	}
	switch c := s.line[i]; c {
	case '{':
		return s.object(i, nil)
	case '[':
		return s.array(i, nil)
	case '"':
		return s.text(i)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		return s.number(i)
	}
}

func (s *jsonScanner) literal(i int, word string) int {
	if !bytes.HasPrefix(s.line[i:], []byte(word)) {
		return -1
	}
	return i + len(word)
}

// text reads a string. Control characters are not allowed before the first escape, as in the library that
// Alloy uses.
func (s *jsonScanner) text(i int) int {
	escaped := false
	for i++; i < len(s.line); i++ {
		switch c := s.line[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			escaped = true
			if i++; i == len(s.line) {
				return -1
			}
			switch s.line[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if i+4 >= len(s.line) || !isHex(s.line[i+1:i+5]) {
					return -1
				}
				i += 4
			default:
				return -1
			}
		case c < ' ' && !escaped:
			return -1
		}
	}
	return -1
}

func isHex(b []byte) bool {
	for _, c := range b {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

func (s *jsonScanner) number(i int) int {
	if i < len(s.line) && s.line[i] == '-' {
		i++
	}
	start := i
	if i = s.digits(i); i < 0 || s.line[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(s.line) && s.line[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return -1
		}
	}
	if i < len(s.line) && (s.line[i] == 'e' || s.line[i] == 'E') {
		if i++; i < len(s.line) && (s.line[i] == '+' || s.line[i] == '-') {
			i++
		}
		return s.digits(i)
	}
	return i
}

// digits reads at least one digit.
func (s *jsonScanner) digits(i int) int {
	start := i
	for i < len(s.line) && '0' <= s.line[i] && s.line[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// array reads an array, and appends its elements to elements unless that is nil.
func (s *jsonScanner) array(i int, elements *[]span) int {
	if s.depth++; s.depth > maxDepth {
		return -1
	}
	i = skipSpace(s.line, i+1)
	if i < len(s.line) && s.line[i] == ']' {
		s.depth--
		return i + 1
	}
	for {
		start := i
		if i = s.value(i); i < 0 {
			return -1
		}
		if elements != nil {
			*elements = append(*elements, span{start, i})
		}
		i = skipSpace(s.line, i)
		if i == len(s.line) {
			return -1
		}
		switch s.line[i] {
		case ',':
			i = skipSpace(s.line, i+1)
		case ']':
			s.depth--
			return i + 1
		default:
			return -1
		}
	}
}

// object reads an object and records the values that t wants.
func (s *jsonScanner) object(i int, t *tree) int {
	if s.depth++; s.depth > maxDepth {
		return -1
	}
	outermost := s.depth == 1
	i = skipSpace(s.line, i+1)
	if i < len(s.line) && s.line[i] == '}' {
		s.depth--
		return i + 1
	}
	for {
		if i == len(s.line) || s.line[i] != '"' {
			return -1
		}
		start := i + 1
		if i = s.text(i); i < 0 {
			return -1
		}
		key := s.line[start : i-1]
		if i = skipSpace(s.line, i); i == len(s.line) || s.line[i] != ':' {
			return -1
		}
		i = skipSpace(s.line, i+1)
		start = i
		wanted := t.child(key, s.fold)
		if wanted != nil {
			wanted.below.forget(s.spans)
		}
		if wanted != nil && len(wanted.below.children) > 0 && i < len(s.line) && s.line[i] == '{' {
			i = s.object(i, &wanted.below)
		} else {
			i = s.value(i)
		}
		if i < 0 {
			return -1
		}
		if wanted != nil {
			for _, target := range wanted.targets {
				s.spans[target] = span{start, i}
			}
		}
		if outermost && s.keys != nil {
			if bytes.IndexByte(key, '\\') >= 0 {
				key = jsontext.Unescape(nil, key)
			}
			if s.keys.Match(key) {
				s.keyed = append(s.keyed, pair{string(key), span{start, i}})
			}
		}
		i = skipSpace(s.line, i)
		if i == len(s.line) {
			return -1
		}
		switch s.line[i] {
		case ',':
			i = skipSpace(s.line, i+1)
		case '}':
			s.depth--
			return i + 1
		default:
			return -1
		}
	}
}

// child returns what is wanted of a key, or nil. key is the text between the quotes, still escaped.
func (t *tree) child(key []byte, fold bool) *branch {
	if t == nil || len(t.children) == 0 {
		return nil
	}
	if bytes.IndexByte(key, '\\') >= 0 {
		key = jsontext.Unescape(nil, key)
	}
	for i := range t.children {
		if c := &t.children[i]; c.key == string(key) || fold && strings.EqualFold(c.key, borrow(key)) {
			return c
		}
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// jsonValue returns the value at v in a valid JSON text. Its bytes are in the text, or in the memory of the
// entry's batch.
func (r *runner) jsonValue(x *entry, line []byte, v span) value {
	if v.end == 0 {
		return value{kind: null}
	}
	raw := line[v.start:v.end]
	switch raw[0] {
	case '"':
		raw = raw[1 : len(raw)-1]
		if bytes.IndexByte(raw, '\\') < 0 {
			return value{text, raw}
		}
		return value{text, r.keep(x, jsontext.Unescape(r.buffer[:0], raw))}
	case 't', 'f':
		return value{boolean, raw}
	case 'n':
		return value{kind: null}
	case '{', '[':
		var doc any
		if err := json.Unmarshal(raw, &doc); err != nil {
			return value{text, raw} // valid for our own scanner, which is slightly more lenient
		}
		again, err := json.Marshal(doc)
		if err != nil {
			return value{text, raw}
		}
		return value{text, x.batch.Copy(again)}
	default:
		if isPlainInteger(raw) {
			return value{number, raw}
		}
		f, err := strconv.ParseFloat(borrow(raw), 64)
		if err != nil {
			return value{text, raw}
		}
		return value{number, r.keep(x, appendFloat(r.buffer[:0], f))}
	}
}

// isPlainInteger reports whether Alloy writes a number unchanged after it has read it as a float64.
func isPlainInteger(raw []byte) bool {
	if len(raw) > 15 {
		return false
	}
	for i, c := range raw {
		if !('0' <= c && c <= '9' || i == 0 && c == '-') {
			return false
		}
	}
	return true
}
