package logmetrics

import (
	"regexp"
	"strconv"
	"strings"

	"lighter/collector/stage/fields"
)

// space skips spaces and a comment.
func (p *parser) space() {
	for !p.end() && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
	if !p.end() && p.text[p.pos] == '#' {
		p.pos = len(p.text)
	}
}

func (p *parser) end() bool { return p.pos == len(p.text) }

// take skips spaces and then s, and reports whether s was there.
func (p *parser) take(s string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	return true
}

// takeOne takes the first of several texts that is next.
func (p *parser) takeOne(all ...string) string {
	for _, s := range all {
		if p.take(s) {
			return s
		}
	}
	return ""
}

// word reads the bytes for which is returns true.
func (p *parser) word(is func(byte) bool) string {
	start := p.pos
	for !p.end() && is(p.text[p.pos]) {
		p.pos++
	}
	return p.text[start:p.pos]
}

// path reads a field's path. A hyphen is part of it if a letter follows: user-id, but not depth-1.
func (p *parser) path(expected string) (fields.Path, error) {
	p.space()
	start := p.pos
	for !p.end() && p.inPath(start) {
		p.pos++
	}
	if p.pos == start {
		return fields.Path{}, p.fail(start, "%s", expected)
	}
	path, err := fields.ParsePath(p.text[start:p.pos])
	if err != nil {
		return fields.Path{}, p.fail(start, "%s", err)
	}
	return path, nil
}

// inPath reports whether the next byte belongs to the path that begins at start.
func (p *parser) inPath(start int) bool {
	switch c := p.text[p.pos]; {
	case isLetter(c), c == '_', c == '@', c == '$', c >= 0x80:
		return true
	case p.pos == start:
		return false
	case c == '-':
		return p.pos+1 < len(p.text) && isLetter(p.text[p.pos+1])
	default:
		return isDigit(c) || c == '.'
	}
}

// number reads a finite number.
func (p *parser) number(expected string) (float64, error) {
	p.space()
	start := p.pos
	for !p.end() {
		c := p.text[p.pos]
		sign := (c == '-' || c == '+') && (p.pos == start || p.text[p.pos-1]|0x20 == 'e')
		if !isDigit(c) && c != '.' && c|0x20 != 'e' && !sign {
			break
		}
		p.pos++
	}
	f, err := strconv.ParseFloat(p.text[start:p.pos], 64)
	if err != nil {
		return 0, p.fail(start, "%s", expected)
	}
	return f, nil
}

// quoted reads a text in quotes.
func (p *parser) quoted(expected string) (string, error) {
	p.space()
	start := p.pos
	if p.end() || p.text[start] != '"' && p.text[start] != '`' {
		return "", p.fail(start, "%s", expected)
	}
	prefix, err := strconv.QuotedPrefix(p.text[start:])
	if err != nil {
		return "", p.fail(start, "this text does not end, or has a backslash that stands alone: in \"…\" write it twice, or put the text into `…`")
	}
	text, err := strconv.Unquote(prefix)
	if err != nil {
		return "", p.fail(start, "this text cannot be read: put it into `…`")
	}
	p.pos += len(prefix)
	return text, nil
}

// arguments reads what is between the parentheses, and the closing one.
func (p *parser) arguments(d *Declaration) error {
	first := true
	if d.kind != count {
		var err error
		if d.value, err = p.value(d.kind); err != nil {
			return err
		}
		first = false
	}
	for !p.take(")") {
		if !first && !p.take(",") {
			return p.fail(p.pos, ", and a condition, or ) is expected")
		}
		first = false
		if buckets, err := p.buckets(d); err != nil {
			return err
		} else if buckets {
			continue
		}
		c, err := p.condition()
		if err != nil {
			return err
		}
		d.conditions = append(d.conditions, c)
	}
	if d.kind == histogram && d.bounds == nil {
		d.bounds = defaultBounds
	}
	return nil
}

// value reads a field and the constant that it is combined with, if any.
func (p *parser) value(k kind) (value, error) {
	var v value
	var err error
	if v.path, err = p.path("the field is expected that " + k.String() + " takes its numbers from, as in histogram(latencyMs/1000)"); err != nil {
		return v, err
	}
	symbol := p.takeOne("*", "/", "+", "-")
	if symbol == "" {
		return v, nil
	}
	p.space()
	v.op = symbol[0]
	at := p.pos
	if v.constant, err = p.number("a number is expected after " + symbol + ", as in latencyMs/1000"); err != nil {
		return v, err
	}
	if v.op == '/' && v.constant == 0 {
		return v, p.fail(at, "nothing can be divided by 0")
	}
	return v, nil
}

// maxBounds is the largest number of buckets that a histogram may declare. Each bucket is a series.
const maxBounds = 50

// buckets reads buckets=[…] if that is next.
func (p *parser) buckets(d *Declaration) (bool, error) {
	p.space()
	at := p.pos
	if !p.take("buckets") || !p.take("=") || !p.take("[") {
		p.pos = at // a field may have that name
		return false, nil
	}
	if d.kind != histogram || d.bounds != nil {
		return false, p.fail(at, "buckets belong to a histogram, once")
	}
	for {
		p.space()
		at := p.pos
		bound, err := p.number("the upper bound of a bucket is expected, as in buckets=[.1, .5, 1]")
		if err != nil {
			return false, err
		}
		if n := len(d.bounds); n > 0 && bound <= d.bounds[n-1] {
			return false, p.fail(at, "buckets must ascend")
		}
		if d.bounds = append(d.bounds, bound); len(d.bounds) > maxBounds {
			return false, p.fail(at, "a histogram has at most %d buckets", maxBounds)
		}
		if p.take("]") {
			return true, nil
		}
		if !p.take(",") {
			return false, p.fail(p.pos, ", or ] is expected after the bound of a bucket")
		}
	}
}

const conditionExpected = `a condition is expected: field="text", field!="text", field=~"regexp", field!~"regexp", field>1 (or >= < <= == !=), field, "text in the line", or |~"regexp"`

// condition reads a condition.
func (p *parser) condition() (condition, error) {
	var c condition
	if p.atText() {
		return p.pattern(lineHas, c.path, "")
	}
	switch symbol := p.takeOne("|=", "!=", "|~", "!~"); symbol {
	case "|=":
		return p.pattern(lineHas, c.path, symbol)
	case "!=":
		return p.pattern(lineLacks, c.path, symbol)
	case "|~":
		return p.pattern(lineMatches, c.path, symbol)
	case "!~":
		return p.pattern(lineMatchesNot, c.path, symbol)
	}
	path, err := p.path(conditionExpected)
	if err != nil {
		return c, err
	}
	c.path = path
	symbol := p.takeOne("=~", "==", "=", "!=", "!~", ">=", ">", "<=", "<")
	switch symbol {
	case "":
		return c, nil // the field exists
	case "=~":
		return p.pattern(matches, path, symbol)
	case "!~":
		return p.pattern(matchesNot, path, symbol)
	case "=", "!=":
		if p.atText() {
			return p.pattern(pick(symbol == "=", equal, unequal), path, symbol)
		}
		c.op = pick(symbol == "=", numberEqual, numberUnequal)
	case "==":
		c.op = numberEqual
	case ">":
		c.op = greater
	case ">=":
		c.op = greaterEqual
	case "<":
		c.op = less
	case "<=":
		c.op = lessEqual
	}
	if p.atText() {
		return c, p.fail(p.pos, "%s compares with a number, which has no quotes: write = to compare with a text", symbol)
	}
	c.number, err = p.number("a " + pick(symbol == "=" || symbol == "!=", "text in quotes, or a number,", "number") + " is expected after " + symbol)
	return c, err
}

// atText reports whether a quoted text is next.
func (p *parser) atText() bool {
	p.space()
	return !p.end() && (p.text[p.pos] == '"' || p.text[p.pos] == '`')
}

// pattern reads the text of a condition, which must follow symbol.
func (p *parser) pattern(o op, path fields.Path, symbol string) (condition, error) {
	c := condition{op: o, path: path}
	p.space()
	at := p.pos
	var err error
	if c.text, err = p.quoted("a text in quotes is expected after " + symbol); err != nil {
		return c, err
	}
	c.bytes = []byte(c.text)
	switch o {
	case matches, matchesNot, lineMatches, lineMatchesNot:
	default:
		return c, nil
	}
	// Compile the text by itself first, so that it cannot close the parenthesis that is put around it.
	if c.regexp, err = regexp.Compile(c.text); err == nil && o <= matchesNot {
		c.regexp, err = regexp.Compile("^(?s:" + c.text + ")$")
	}
	if err != nil {
		return c, p.fail(at, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return c, nil
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}
