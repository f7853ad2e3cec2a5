// Package plain reads the lines of a page that have the shape of nearly all lines,
//
//	name{label="value",…} number
//
// without superfluous spaces. It is faster than package textparse and reads fewer lines, but what it reads
// is what textparse would read; fuzz tests compare the two. It produces no garbage: otherwise the first
// pages of many large targets would raise the peak of the process's memory by half.
package plain

import (
	"bytes"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
)

// Labels are the labels of a series or an exemplar, sorted by name. They are views of the text they were
// read from, and of reused memory.
type Labels struct {
	pairs   []labels.Label
	escaped []byte // values that contained escapes

	copied, joined labels.ScratchBuilder // keep what they last made
}

// Release drops the references to the text that the labels are views of. What was last copied or joined
// also holds such views, which are no longer read; Forget drops those and the memory.
func (l *Labels) Release() { clear(l.pairs[:cap(l.pairs)]) }

// Forget drops all views and memory. It must be called before the memory of the page is freed.
func (l *Labels) Forget() { *l = Labels{} }

// CopyTo sets dst to the labels. dst is valid until the next CopyTo.
func (l *Labels) CopyTo(dst *labels.Labels) {
	l.copied.Reset()
	for _, p := range l.pairs {
		l.copied.Add(p.Name, p.Value)
	}
	l.copied.Overwrite(dst)
}

// Join sets dst to the labels and others, which are sorted by name. dst is valid until the next Join. Join
// returns false if a name is in both.
func (l *Labels) Join(dst *labels.Labels, others []labels.Label) bool {
	l.joined.Reset()
	for _, p := range l.pairs {
		for len(others) > 0 && others[0].Name < p.Name {
			l.joined.Add(others[0].Name, others[0].Value)
			others = others[1:]
		}
		if len(others) > 0 && others[0].Name == p.Name {
			return false
		}
		if p.Value != "" {
			l.joined.Add(p.Name, p.Value)
		}
	}
	for _, o := range others {
		l.joined.Add(o.Name, o.Value)
	}
	l.joined.Overwrite(dst)
	return true
}

// Series reads the name and the labels that b begins with, and returns their length. bound is the name of
// the label whose value is a number in a histogram or a summary, and is empty for other types.
func (l *Labels) Series(b []byte, bound string) (size int, ok bool) {
	size = nameSize(b)
	if size == 0 {
		return 0, false
	}
	l.escaped = l.escaped[:0]
	l.pairs = append(l.pairs[:0], labels.Label{Name: model.MetricNameLabel, Value: view(b[:size])})
	if size < len(b) && b[size] == '{' {
		if size, ok = l.read(b, size+1, true); !ok {
			return 0, false
		}
	}
	if bound != "" {
		l.normalize(bound)
	}
	return size, true
}

// Rest is what may follow the value of a sample.
type Rest struct {
	Time        int64 // Unix milliseconds
	HasTime     bool
	Exemplar    exemplar.Exemplar // its labels are valid until the next CopyTo
	HasExemplar bool
}

// Rest reads b up to the end of the line: a space and a timestamp, or an exemplar, or both. The labels are
// replaced by those of the exemplar.
func (l *Labels) Rest(b []byte, openMetrics bool) (r Rest, size int, ok bool) {
	if len(b) > 1 && b[1] != '#' {
		read := Millis
		if openMetrics {
			read = Seconds
		}
		if r.Time, size, ok = read(b[1:]); !ok {
			return r, 0, false
		}
		r.HasTime = true
		if size++; b[size] == '\n' {
			return r, size, true
		}
	}
	if !openMetrics {
		return r, 0, false
	}
	n, ok := l.exemplar(b[size:], &r.Exemplar)
	r.HasExemplar = ok
	return r, size + n, ok
}

// exemplar reads the exemplar that b begins with, including the space before it.
func (l *Labels) exemplar(b []byte, e *exemplar.Exemplar) (size int, ok bool) {
	const head = " # {"
	if !bytes.HasPrefix(b, []byte(head)) {
		return 0, false
	}
	l.pairs = l.pairs[:0]
	at, ok := l.read(b, len(head), false)
	if !ok || at == len(b) || b[at] != ' ' {
		return 0, false
	}
	if e.Value, size, ok = Float(b[at+1:]); !ok {
		return 0, false
	}
	if at += 1 + size; b[at] == ' ' {
		if e.Ts, size, ok = Seconds(b[at+1:]); !ok {
			return 0, false
		}
		e.HasTs = true
		at += 1 + size
	}
	if b[at] != '\n' {
		return 0, false
	}
	l.CopyTo(&e.Labels)
	return at, true
}

// read reads labels from behind their opening brace and returns the offset behind the closing one. It fails
// if a label name occurs twice.
func (l *Labels) read(b []byte, at int, escapes bool) (end int, ok bool) {
	for at < len(b) && b[at] != '}' {
		name := at
		for at < len(b) && isNameByte(b[at]) && b[at] != ':' {
			at++
		}
		if at == name || isDigit(b[name]) || at+1 >= len(b) || b[at] != '=' || b[at+1] != '"' {
			return 0, false
		}
		label := labels.Label{Name: view(b[name:at])}
		at += 2
		value, high := at, byte(0)
		for at < len(b) && b[at] != '"' && b[at] != '\\' && b[at] != '\n' {
			high |= b[at]
			at++
		}
		if at == len(b) || b[at] == '\n' || b[at] == '\\' && !escapes {
			return 0, false
		}
		label.Value = view(b[value:at])
		if b[at] == '\\' {
			if label.Value, at, ok = l.unescape(b, value); !ok {
				return 0, false
			}
			high = 0x80
		}
		if high >= 0x80 && !utf8.ValidString(label.Value) {
			return 0, false
		}
		if !l.insert(label) {
			return 0, false
		}
		if at++; at < len(b) && b[at] == ',' {
			at++
		} else if at < len(b) && b[at] != '}' {
			return 0, false
		}
	}
	return at + 1, at < len(b)
}

// insert inserts a label at its place in the order of names. It returns false if the name is already
// present.
func (l *Labels) insert(one labels.Label) bool {
	i := len(l.pairs)
	for i > 0 && one.Name < l.pairs[i-1].Name {
		i--
	}
	if i > 0 && one.Name == l.pairs[i-1].Name {
		return false
	}
	l.pairs = append(l.pairs, one)
	if i < len(l.pairs)-1 {
		copy(l.pairs[i+1:], l.pairs[i:])
		l.pairs[i] = one
	}
	return true
}

// unescape reads a label value with escapes, and returns the offset of its closing quote.
func (l *Labels) unescape(b []byte, at int) (value string, end int, ok bool) {
	from := len(l.escaped)
	for ; at < len(b) && b[at] != '\n'; at++ {
		c := b[at]
		switch c {
		case '"':
			return view(l.escaped[from:]), at, true
		case '\\':
			if at++; at == len(b) {
				return "", 0, false
			}
			switch c = b[at]; c {
			case '\\', '"':
			case 'n':
				c = '\n'
			default:
				return "", 0, false
			}
		}
		l.escaped = append(l.escaped, c) // if append moves to larger memory, existing values keep the old
	}
	return "", 0, false
}

// normalize rewrites the bound of a histogram or a summary as OpenMetrics does.
func (l *Labels) normalize(bound string) {
	for i := range l.pairs {
		if p := &l.pairs[i]; p.Name == bound {
			if v, err := strconv.ParseFloat(p.Value, 64); err == nil {
				p.Value = labels.FormatOpenMetricsFloat(v)
			}
		}
	}
}

// nameSize returns the length of the metric name that b begins with.
func nameSize(b []byte) int {
	n := 0
	for n < len(b) && isNameByte(b[n]) {
		n++
	}
	if n > 0 && isDigit(b[0]) {
		return 0
	}
	return n
}

func isNameByte(c byte) bool { return c|0x20-'a' < 26 || c == '_' || isDigit(c) || c == ':' }
func isDigit(c byte) bool    { return c-'0' < 10 }

// view returns b as a string that is valid until b's content changes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
