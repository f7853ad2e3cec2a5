package logmetrics

import (
	"regexp"
	"strconv"
	"strings"

	"lighter/collector/stage/fields"
)

// Declaration declares a metric and the log lines that it counts. It is immutable.
type Declaration struct {
	Name string // of the metric

	line, column int // position in the parsed text, from 1
	kind         kind
	labels       []label   // sorted by name
	bounds       []float64 // of a histogram's buckets, ascending, without +Inf
	value        value     // the value to add, set or observe; not used by count
	conditions   []condition
}

// kind is what a metric does with its lines.
type kind uint8

const (
	count kind = iota
	sum
	gauge
	histogram
)

var kinds = [...]string{"count", "sum", "gauge", "histogram"}

func (k kind) String() string { return kinds[k] }

// label is a label of a metric and the field that its value comes from.
type label struct {
	name string
	path fields.Path
}

// value is a field and a constant that it is combined with.
type value struct {
	path     fields.Path
	op       byte // one of * / + -, or 0 to use the field as it is
	constant float64
}

func (v value) of(f float64) float64 {
	switch v.op {
	case '*':
		return f * v.constant
	case '/':
		return f / v.constant
	case '+':
		return f + v.constant
	case '-':
		return f - v.constant
	}
	return f
}

// condition is a condition that a line must meet to be counted.
type condition struct {
	op     op
	path   fields.Path // of a condition on a field
	text   string      // the text to compare with, or the pattern
	bytes  []byte      // text
	number float64
	regexp *regexp.Regexp
}

// op is the comparison of a condition.
type op uint8

const (
	exists op = iota
	equal
	unequal
	matches
	matchesNot
	numberEqual
	numberUnequal
	greater
	greaterEqual
	less
	lessEqual
	lineHas // this and the following apply to the whole line
	lineLacks
	lineMatches
	lineMatchesNot
)

// symbols are the written forms of the ops. An op on the line precedes its text.
var symbols = [...]string{
	exists: "", equal: "=", unequal: "!=", matches: "=~", matchesNot: "!~",
	numberEqual: "==", numberUnequal: "!=", greater: ">", greaterEqual: ">=", less: "<", lessEqual: "<=",
	lineHas: "", lineLacks: "!=", lineMatches: "|~", lineMatchesNot: "!~",
}

// String returns the declaration in the form that Parse reads.
func (d *Declaration) String() string {
	var b strings.Builder
	b.WriteString(d.Name)
	for i, l := range d.labels {
		b.WriteString(sep(i, "{", ","))
		b.WriteString(l.name)
		if path := l.path.String(); path != l.name {
			b.WriteString("=" + path)
		}
	}
	if len(d.labels) > 0 {
		b.WriteByte('}')
	}
	b.WriteString(" = " + d.kind.String() + "(")
	items := d.items()
	b.WriteString(strings.Join(items, ", "))
	b.WriteByte(')')
	return b.String()
}

// items returns what is between the parentheses.
func (d *Declaration) items() []string {
	var items []string
	if d.kind != count {
		item := d.value.path.String()
		if d.value.op != 0 {
			item += string(d.value.op) + formatNumber(d.value.constant)
		}
		items = append(items, item)
	}
	if d.kind == histogram {
		var b strings.Builder
		for i, bound := range d.bounds {
			b.WriteString(sep(i, "buckets=[", ","))
			b.WriteString(formatNumber(bound))
		}
		items = append(items, b.String()+"]")
	}
	for _, c := range d.conditions {
		items = append(items, c.String())
	}
	return items
}

func (c *condition) String() string {
	s := c.path.String() + symbols[c.op]
	switch c.op {
	case exists:
	case numberEqual, numberUnequal, greater, greaterEqual, less, lessEqual:
		s += formatNumber(c.number)
	default:
		s += strconv.Quote(c.text)
	}
	return s
}

func sep(i int, first, others string) string {
	if i == 0 {
		return first
	}
	return others
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// sameMetric reports whether two declarations with the same name may count the same series.
func (d *Declaration) sameMetric(o *Declaration) bool {
	if d.kind != o.kind || len(d.labels) != len(o.labels) || len(d.bounds) != len(o.bounds) {
		return false
	}
	for i := range d.labels {
		if d.labels[i].name != o.labels[i].name {
			return false
		}
	}
	for i := range d.bounds {
		if d.bounds[i] != o.bounds[i] {
			return false
		}
	}
	return true
}
