package process

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// selector is a LogQL stream selector with line filters, such as {app="api"} |= "error" !~ "timeout|reset".
type selector struct {
	matchers []*labels.Matcher
	filters  []lineFilter
}

// lineFilter accepts a line that contains text, or that expr matches. With not, it accepts all other lines.
type lineFilter struct {
	not  bool
	text []byte
	expr *regexp.Regexp // nil for a text filter
}

func (f *lineFilter) holds(line []byte) bool {
	if f.expr != nil {
		return f.expr.Match(line) != f.not
	}
	return bytes.Contains(line, f.text) != f.not
}

// parseSelector parses a selector.
func parseSelector(text string) (*selector, error) {
	p := selectorParser{text: text}
	s, err := p.parse()
	if err != nil {
		return nil, fmt.Errorf("selector does not parse at character %d of %q: %w", p.at+1, text, err)
	}
	return s, nil
}

type selectorParser struct {
	text string
	at   int
}

func (p *selectorParser) parse() (*selector, error) {
	s := &selector{}
	if !p.take("{") {
		return nil, errors.New("want a stream selector such as {app=\"api\"}")
	}
	for {
		m, err := p.matcher()
		if err != nil {
			return nil, err
		}
		s.matchers = append(s.matchers, m)
		if p.take("}") {
			break
		}
		if !p.take(",") {
			return nil, errors.New("want , or } after a label matcher")
		}
	}
	for p.skipSpace(); p.at < len(p.text); p.skipSpace() {
		f, err := p.filter()
		if err != nil {
			return nil, err
		}
		s.filters = append(s.filters, f)
	}
	return s, nil
}

func (p *selectorParser) skipSpace() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take skips a token if it comes next.
func (p *selectorParser) take(token string) bool {
	p.skipSpace()
	if !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

func (p *selectorParser) matcher() (*labels.Matcher, error) {
	p.skipSpace()
	start := p.at
	for p.at < len(p.text) && isNameByte(p.text[p.at], p.at == start) {
		p.at++
	}
	name := p.text[start:p.at]
	if name == "" {
		return nil, errors.New("want the name of a label")
	}
	var t labels.MatchType
	switch {
	case p.take("=~"):
		t = labels.MatchRegexp
	case p.take("!~"):
		t = labels.MatchNotRegexp
	case p.take("!="):
		t = labels.MatchNotEqual
	case p.take("="):
		t = labels.MatchEqual
	default:
		return nil, fmt.Errorf("want =, !=, =~ or !~ after the label %s", name)
	}
	start = p.at
	value, err := p.quoted()
	if err != nil {
		return nil, err
	}
	m, err := labels.NewMatcher(t, name, value)
	if err != nil {
		p.at = start
	}
	return m, err
}

func (p *selectorParser) filter() (f lineFilter, err error) {
	expr := false
	switch {
	case p.take("|="):
	case p.take("!="):
		f.not = true
	case p.take("|~"):
		expr = true
	case p.take("!~"):
		f.not, expr = true, true
	case p.take("|"):
		p.at--
		return f, errors.New("stage.match knows line filters (|=, !=, |~, !~) only, no parsers and no label filters")
	default:
		return f, errors.New("want a line filter: |=, !=, |~ or !~")
	}
	start := p.at
	text, err := p.quoted()
	if err != nil {
		return f, err
	}
	if !expr {
		f.text = []byte(text)
		return f, nil
	}
	if f.expr, err = regexp.Compile(text); err != nil {
		p.at = start
	}
	return f, err
}

func (p *selectorParser) quoted() (string, error) {
	p.skipSpace()
	q, err := strconv.QuotedPrefix(p.text[p.at:])
	if err != nil || q[0] == '\'' {
		return "", errors.New("want a text in double quotes")
	}
	p.at += len(q)
	return strconv.Unquote(q)
}

func isNameByte(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}
