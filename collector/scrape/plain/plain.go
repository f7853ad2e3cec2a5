// Package plain reads lines of a page that have the shape which nearly all lines have,
//
//	name{label="value",…} number
//
// without a space too many. It takes less than package textparse does, and what it takes is what
// textparse would read, which fuzz tests hold it to. It makes no garbage: the first pages of many
// large targets would otherwise raise the peak of the process's memory by half of what is in use.
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

// Labels are those of a series, or of an exemplar, in the order of their names. They are views of what
// they were read from, and of memory that is used again.
type Labels struct {
	pairs   []labels.Label
	escaped []byte // values in which something was escaped

	copied, joined labels.ScratchBuilder // keep what was last made of them
}

// Release lets go of what the labels are views of. What was last copied or joined keeps views too, which
// nobody reads any more; Forget lets go of them and of the memory.
func (l *Labels) Release() { clear(l.pairs[:cap(l.pairs)]) }

// Forget is for labels of a page whose memory will be gone.
func (l *Labels) Forget() { *l = Labels{} }

// CopyTo sets dst to the labels. They are valid until the next CopyTo.
func (l *Labels) CopyTo(dst *labels.Labels) {
	l.copied.Reset()
	for _, p := range l.pairs {
		l.copied.Add(p.Name, p.Value)
	}
	l.copied.Overwrite(dst)
}

// Join sets dst to the labels and others, which are in the order of their names. They are valid until
// the next Join. It returns false if a name is in both.
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

// Series reads the name and the labels that b begins with, and returns how long they are. bound is the
// name of the label that is a number in the series of a histogram or a summary, and is empty for others.
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

// Rest is what may stand behind the value of a sample.
type Rest struct {
	Time        int64 // Unix milliseconds
	HasTime     bool
	Exemplar    exemplar.Exemplar // its labels are valid as CopyTo says
	HasExemplar bool
}

// Rest reads what b begins with up to the end of the line: a space and a time, or an exemplar, or both.
// The labels become those of the exemplar.
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

// exemplar reads the exemplar that b begins with, the space before it included.
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

// read reads labels behind their brace. It returns where they end, behind the other brace. Labels that
// have a name twice are not read.
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

// insert puts a label where its name belongs. It returns false if there is one of that name.
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

// unescape reads a label value that has escapes, and returns where its quote is.
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
		l.escaped = append(l.escaped, c) // what moves to larger memory leaves the old to the values that are there
	}
	return "", 0, false
}

// normalize writes the bound of a histogram or a summary as OpenMetrics does.
func (l *Labels) normalize(bound string) {
	for i := range l.pairs {
		if p := &l.pairs[i]; p.Name == bound {
			if v, err := strconv.ParseFloat(p.Value, 64); err == nil {
				p.Value = labels.FormatOpenMetricsFloat(v)
			}
		}
	}
}

// nameSize returns how long the metric name is that b begins with.
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

// view returns b as a string that is valid until b's memory changes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
