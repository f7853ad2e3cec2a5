package logmetrics

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"lighter/collector/stage/fields"
)

// maxLabelValue is the length in bytes at which label values are cut.
const maxLabelValue = 128

// program is a set of declarations, prepared for counting. It is immutable.
type program struct {
	metrics  []*metric
	rules    []rule
	finder   *fields.Finder
	paths    int      // number of paths of the finder
	literals [][]byte // texts that lines must contain; see rule.literal
}

// metric is what all declarations with one name share.
type metric struct {
	name      string
	help      string
	kind      kind
	labels    []string // sorted
	bounds    []float64
	signature uint64 // hash of the fields above, except the help
}

// rule is a declaration. Its fields are indices into what the finder finds.
type rule struct {
	*Declaration
	metric   int   // index into metrics
	literal  int   // index into literals, or -1
	onLine   []int // conditions on the whole line
	onFields []int // conditions on fields
	fields   []int // by onFields
	labels   []int
	value    int
	reads    bool // whether the rule needs any field
}

func compile(declarations []*Declaration) *program {
	p := &program{}
	var paths []fields.Path
	field := func(path fields.Path) int {
		if i := slices.Index(paths, path); i >= 0 {
			return i
		}
		paths = append(paths, path)
		return len(paths) - 1
	}
	for _, d := range declarations {
		r := rule{Declaration: d, metric: p.metricOf(d), literal: p.literalOf(d), value: -1}
		for i, c := range d.conditions {
			if c.op >= lineHas {
				r.onLine = append(r.onLine, i)
				continue
			}
			r.onFields, r.fields = append(r.onFields, i), append(r.fields, field(c.path))
		}
		for _, l := range d.labels {
			r.labels = append(r.labels, field(l.path))
		}
		if d.kind != count {
			r.value = field(d.value.path)
		}
		r.reads = len(r.fields) > 0 || len(r.labels) > 0 || r.value >= 0
		p.rules = append(p.rules, r)
	}
	p.finder, p.paths = fields.NewFinder(paths...), len(paths)
	return p
}

// metricOf returns the index of the declaration's metric.
func (p *program) metricOf(d *Declaration) int {
	if i := slices.IndexFunc(p.metrics, func(m *metric) bool { return m.name == d.Name }); i >= 0 {
		return i
	}
	m := &metric{name: d.Name, help: "Counted from log lines: " + d.String(), kind: d.kind, bounds: d.bounds}
	h := fnv.New64a()
	h.Write([]byte(d.Name + "\x00" + d.kind.String()))
	for _, l := range d.labels {
		m.labels = append(m.labels, l.name)
		h.Write([]byte("\x00" + l.name))
	}
	for _, bound := range d.bounds {
		h.Write(binary.LittleEndian.AppendUint64([]byte{1}, math.Float64bits(bound)))
	}
	m.signature = h.Sum64()
	p.metrics = append(p.metrics, m)
	return len(p.metrics) - 1
}

// literalOf returns the index of a text that every line contains that the declaration counts, unless the
// line has escapes. It is a text that a field must equal, or else the last key of a required field.
func (p *program) literalOf(d *Declaration) int {
	text, key := "", ""
	longer := func(s *string, other string) {
		if len(other) > len(*s) {
			*s = other
		}
	}
	lastKey := func(path fields.Path) string {
		s := path.String()
		return s[strings.LastIndexByte(s, '.')+1:]
	}
	for _, c := range d.conditions {
		switch {
		case c.op == equal:
			longer(&text, c.text)
			if c.text != "" {
				longer(&key, lastKey(c.path))
			}
		case c.op == exists, c.op >= numberEqual && c.op < lineHas:
			longer(&key, lastKey(c.path))
		}
	}
	if d.kind != count {
		longer(&key, lastKey(d.value.path))
	}
	literal := []byte(pick(text != "", text, key))
	if len(literal) == 0 {
		return -1
	}
	if i := slices.IndexFunc(p.literals, func(o []byte) bool { return bytes.Equal(o, literal) }); i >= 0 {
		return i
	}
	p.literals = append(p.literals, literal)
	return len(p.literals) - 1
}

// matcher matches one line after another of one log.
type matcher struct {
	*program
	line   []byte
	found  bool  // values holds those of the current line
	has    []int // by literal: 1 if the line may contain it, -1 if not, 0 if unknown
	values []fields.Value
	text   []byte // an unescaped value
	key    []byte // see appendKey
}

func newMatcher(p *program) *matcher {
	return &matcher{program: p, has: make([]int, len(p.literals)), values: make([]fields.Value, p.paths)}
}

// begin starts with the next line.
func (m *matcher) begin(line []byte) {
	m.line, m.found = line, false
	clear(m.has)
}

// wants reports whether a rule counts the line, and returns the number to count.
func (m *matcher) wants(r *rule) (number float64, ok bool) {
	if r.literal >= 0 && !m.mayHave(r.literal) {
		return 0, false
	}
	for _, i := range r.onLine {
		if !r.conditions[i].holdsFor(m.line) {
			return 0, false
		}
	}
	if r.reads && !m.found {
		m.finder.Find(m.line, m.values)
		m.found = true
	}
	for n, i := range r.onFields {
		if !m.holds(&r.conditions[i], m.values[r.fields[n]]) {
			return 0, false
		}
	}
	if r.value < 0 {
		return 1, true
	}
	f, ok := m.values[r.value].Float()
	if !ok {
		return 0, false
	}
	f = r.Declaration.value.of(f)
	return f, !math.IsInf(f, 0) && !(r.kind == sum && f < 0)
}

// mayHave reports whether the line contains a literal, or escapes that may stand for one.
func (m *matcher) mayHave(literal int) bool {
	if m.has[literal] == 0 {
		yes := bytes.Contains(m.line, m.literals[literal]) || bytes.IndexByte(m.line, '\\') >= 0
		m.has[literal] = pick(yes, 1, -1)
	}
	return m.has[literal] > 0
}

// holdsFor reports whether a condition on the whole line holds.
func (c *condition) holdsFor(line []byte) bool {
	switch c.op {
	case lineHas:
		return bytes.Contains(line, c.bytes)
	case lineLacks:
		return !bytes.Contains(line, c.bytes)
	case lineMatches:
		return c.regexp.Match(line)
	default:
		return !c.regexp.Match(line)
	}
}

// holds reports whether a condition on a field holds.
func (m *matcher) holds(c *condition, v fields.Value) bool {
	switch c.op {
	case exists:
		return v.Kind != fields.None && v.Kind != fields.Null
	case equal:
		return string(m.textOf(v)) == c.text
	case unequal:
		return string(m.textOf(v)) != c.text
	case matches:
		return c.regexp.Match(m.textOf(v))
	case matchesNot:
		return !c.regexp.Match(m.textOf(v))
	}
	f, ok := v.Float()
	if !ok {
		return false
	}
	switch c.op {
	case numberEqual:
		return f == c.number
	case numberUnequal:
		return f != c.number
	case greater:
		return f > c.number
	case greaterEqual:
		return f >= c.number
	case less:
		return f < c.number
	default:
		return f <= c.number
	}
}

// textOf returns a value as text, or "" if the line does not have the field or it is null. The text is
// valid until the next call.
func (m *matcher) textOf(v fields.Value) []byte {
	switch {
	case v.Kind == fields.Null:
		return nil
	case v.Escaped:
		m.text = v.Text(m.text)
		return m.text
	}
	return v.Raw
}

// keyOf returns the label values of the series that a rule counts, in appendKey's form. They are valid
// until the next call.
func (m *matcher) keyOf(r *rule) []byte {
	m.key = m.key[:0]
	for _, i := range r.labels {
		m.key = appendKey(m.key, m.textOf(m.values[i]))
	}
	return m.key
}

// appendKey appends a label value, preceded by its length. It cuts a long value, but not inside a
// character, and replaces invalid UTF-8.
func appendKey(b, text []byte) []byte {
	if len(text) > maxLabelValue {
		n := maxLabelValue
		for n > maxLabelValue-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("?"))
	}
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}
