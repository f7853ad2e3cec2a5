package logmetrics

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error describes what is wrong with a declaration.
type Error struct {
	Line, Column int    // from 1
	Message      string // what is wrong, and what is accepted
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Parse reads declarations, one per line:
//
//	NAME{LABEL,LABEL=FIELD} = count(CONDITION, CONDITION)
//	NAME = sum(FIELD*8, CONDITION)
//	NAME = gauge(FIELD, CONDITION)
//	NAME{LABEL} = histogram(FIELD/1000, buckets=[.1, 1, 10], CONDITION)
//
// A field is a path such as status or ctx.user.id, which is looked up in JSON and logfmt lines. A number
// may be added to or subtracted from its value, or the value may be multiplied or divided by a number.
// Lines whose field is not a number are not counted. sum does not count negative values either, because a
// counter never decreases.
//
// All conditions must hold. Without a condition, every line counts:
//
//	status="200"  status!="200"         the field equals the text, or does not; a missing field has the value ""
//	path=~"/v1/.*"  path!~"/v1/.*"      the whole field matches the regular expression, or does not
//	status>=500                         the field is a number that compares so: > >= < <= == !=
//	error                               the line has the field, and it is not null
//	"not set"  |="not set"  !="is set"  the line contains the text, or does not
//	|~"took [0-9]+s"  !~"took 0s"       the line contains a match of the regular expression, or does not
//
// Texts are quoted as in Go: a backslash is written twice in "…" and once in `…`. A # begins a comment.
//
// Several declarations may share a name if they have the same type, label names and buckets. Each of them
// counts the lines that match it.
//
// The error joins one *Error for each invalid line.
func Parse(text string) ([]*Declaration, error) {
	var all []*Declaration
	var errs []error
	n := 0
	for line := range strings.Lines(text) {
		n++
		p := parser{text: strings.TrimRight(line, "\r\n"), line: n}
		d, err := p.declaration()
		if err == nil && d != nil {
			err = fits(d, all)
		}
		switch {
		case err != nil:
			errs = append(errs, err)
		case d != nil:
			all = append(all, d)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return all, nil
}

// Merge returns the declarations of all, followed by those of own that all does not contain. The error
// joins one *Error for each declaration of own that conflicts with all, for example because it has the same
// name and another type.
func Merge(all, own []*Declaration) ([]*Declaration, error) {
	merged := slices.Clone(all)
	var errs []error
	for _, d := range own {
		if slices.ContainsFunc(all, func(o *Declaration) bool { return o.String() == d.String() }) {
			continue
		}
		if err := fits(d, all); err != nil {
			errs = append(errs, err)
			continue
		}
		merged = append(merged, d)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return merged, nil
}

// fits returns an error if d conflicts with others.
func fits(d *Declaration, others []*Declaration) error {
	bad := func(format string, args ...any) error {
		return &Error{d.line, d.column, fmt.Sprintf(format, args...)}
	}
	for _, o := range others {
		switch {
		case o.Name != d.Name:
			if taken := sharedName(o, d); taken != "" {
				return bad("%s and %s would both be shown under the name %s: give one of them another name", o.Name, d.Name, taken)
			}
		case o.kind != d.kind:
			return bad("%s is declared as %s on line %d: the type must be the same, or the name another", d.Name, o.kind, o.line)
		case !o.sameMetric(d):
			return bad("%s is declared with other labels or buckets on line %d: they must be the same, or the name another", d.Name, o.line)
		case o.String() == d.String():
			return bad("%s is declared on line %d in the same way: every line would count twice", d.Name, o.line)
		}
	}
	return nil
}

// sharedName returns a name that both metrics would expose, or "". A histogram exposes several names, and
// OpenMetrics removes _total from the name of a counter's family.
func sharedName(a, b *Declaration) string {
	names := func(d *Declaration) []string {
		switch d.kind {
		case histogram:
			return []string{d.Name, d.Name + "_bucket", d.Name + "_sum", d.Name + "_count"}
		case count, sum:
			return []string{d.Name, strings.TrimSuffix(d.Name, "_total")}
		}
		return []string{d.Name}
	}
	for _, name := range names(a) {
		if slices.Contains(names(b), name) {
			return name
		}
	}
	return ""
}

// defaultBounds are the buckets of a histogram that declares none. They are the defaults of Prometheus's
// client libraries.
var defaultBounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// checkName returns what is wrong with the name of a metric, or "".
func checkName(name string) string {
	switch {
	case strings.HasPrefix(name, "lighter_"), strings.HasPrefix(name, "go_"), strings.HasPrefix(name, "process_"),
		strings.HasPrefix(name, "promhttp_"), strings.HasPrefix(name, "scrape_"), strings.HasPrefix(name, "__"),
		name == "up", name == "target_info":
		return fmt.Sprintf("the name %s is the agent's own, or Prometheus': take one that does not begin with lighter_, go_, process_, promhttp_, scrape_ or __, and is not up or target_info", name)
	}
	return ""
}

// checkLabel returns what is wrong with the name of a label, or "".
func checkLabel(name string) string {
	switch name {
	case "service", "container", "le", "job", "instance":
		return fmt.Sprintf("the label %s is set by the agent: give the field another name, such as log_%s=%s", name, name, name)
	}
	if strings.HasPrefix(name, "__") {
		return fmt.Sprintf("the label %s begins with __, which is Prometheus' own: give the field another name, such as log%s=%s", name, strings.TrimLeft(name, "_"), name)
	}
	return ""
}

// parser parses one line.
type parser struct {
	text string
	pos  int
	line int
}

// fail returns an error at an offset of the line.
func (p *parser) fail(pos int, format string, args ...any) error {
	return &Error{p.line, 1 + utf8.RuneCountInString(p.text[:pos]), fmt.Sprintf(format, args...)}
}

// declaration reads the line. It returns nil if the line has no declaration.
func (p *parser) declaration() (*Declaration, error) {
	p.space()
	if p.end() {
		return nil, nil
	}
	start := p.pos
	d := &Declaration{line: p.line, column: 1 + utf8.RuneCountInString(p.text[:start])}
	if d.Name = p.word(isNameByte); d.Name == "" || isDigit(d.Name[0]) {
		return nil, p.fail(start, "a metric's name is expected, of letters, digits, _ and :, as in http_requests_total{path} = count(msg=\"http_request\")")
	}
	if why := checkName(d.Name); why != "" {
		return nil, p.fail(start, "%s", why)
	}
	var err error
	if p.take("{") {
		if d.labels, err = p.labels(); err != nil {
			return nil, err
		}
	}
	if !p.take("=") {
		return nil, p.fail(p.pos, "= is expected%s, then count(…), sum(…), gauge(…) or histogram(…)", pick(d.labels == nil, " or {labels}", ""))
	}
	p.space()
	at := p.pos
	k := slices.Index(kinds[:], p.word(isNameByte))
	if k < 0 {
		return nil, p.fail(at, "one of count(…), sum(…), gauge(…) and histogram(…) is expected")
	}
	d.kind = kind(k)
	if !p.take("(") {
		return nil, p.fail(p.pos, "( is expected after %s", d.kind)
	}
	if err := p.arguments(d); err != nil {
		return nil, err
	}
	if p.space(); !p.end() {
		return nil, p.fail(p.pos, "nothing is expected after the closing ), but a # and a comment: write each declaration on a line of its own")
	}
	return d, nil
}

// labels reads labels and the closing brace.
func (p *parser) labels() ([]label, error) {
	labels := []label{}
	for !p.take("}") {
		if len(labels) > 0 && !p.take(",") {
			return nil, p.fail(p.pos, ", or } is expected after a label")
		}
		p.space()
		start := p.pos
		path, err := p.path("a label is expected, as in {path,status} or {user=ctx.user.id}")
		if err != nil {
			return nil, err
		}
		name := path.String()
		if p.take("=") {
			if path, err = p.path("the field is expected that the label has its value from, as in {user=ctx.user.id}"); err != nil {
				return nil, err
			}
		} else {
			name = name[strings.LastIndexByte(name, '.')+1:]
		}
		if !isLabelName(name) {
			return nil, p.fail(start, "a label's name has letters, digits and _ only, and begins with no digit: give the field %s another name, as in {user_id=user-id}", path)
		}
		if why := checkLabel(name); why != "" {
			return nil, p.fail(start, "%s", why)
		}
		if slices.ContainsFunc(labels, func(l label) bool { return l.name == name }) {
			return nil, p.fail(start, "the label %s is there twice", name)
		}
		labels = append(labels, label{name, path})
	}
	slices.SortFunc(labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
	return labels, nil
}

func isLabelName(s string) bool {
	for i := range len(s) {
		if s[i] == ':' || !isNameByte(s[i]) {
			return false
		}
	}
	return s != "" && !isDigit(s[0])
}

func isNameByte(c byte) bool { return c == '_' || c == ':' || isLetter(c) || isDigit(c) }
func isLetter(c byte) bool   { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
