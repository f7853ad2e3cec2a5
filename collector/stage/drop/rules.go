// Package drop leaves out log entries that nobody wants to keep: those that match a regular expression,
// and answered health checks.
//
// It counts what it leaves out, by service and rule. An entry that it does not recognise stays.
package drop

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Rules say which entries are left out. They are safe for concurrent use.
type Rules struct {
	rules []rule
}

// rule is a regular expression, or the built-in rule health.
type rule struct {
	name     string
	health   bool
	literals [][]byte       // at least one of them is in every line that re matches; none if nothing is known
	re       *regexp.Regexp // nil if a line that has one of the literals matches
}

const (
	health   = "health"
	maxName  = 40 // bytes of an expression that name it in a metric
	ellipsis = "…"
)

// Parse reads rules, one a line: a regular expression in Go's syntax, or the word health. Spaces around a
// rule are no part of it, and empty lines do not count. The error names the line.
func Parse(text string) (*Rules, error) {
	r := &Rules{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		switch line {
		case "":
			continue
		case health:
			r.rules = append(r.rules, rule{name: health, health: true})
			continue
		}
		re, err := regexp.Compile(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q is not a regular expression: %w", n, line, err)
		}
		next := rule{name: name(line), re: re, literals: requiredLiterals(line)}
		if prefix, complete := re.LiteralPrefix(); complete && prefix != "" && !strings.ContainsRune(prefix, utf8.RuneError) {
			next.literals, next.re = [][]byte{[]byte(prefix)}, nil
		}
		r.rules = append(r.rules, next)
	}
	return r, nil
}

// Empty reports whether there are no rules. A nil *Rules has none.
func (r *Rules) Empty() bool { return r == nil || len(r.rules) == 0 }

// Names returns what the rules are called in metrics, in their order: health, or the beginning of the
// expression, at most 40 bytes. Expressions that begin alike share a name.
func (r *Rules) Names() []string {
	names := make([]string, len(r.rules))
	for i := range r.rules {
		names[i] = r.rules[i].name
	}
	return names
}

// name returns an expression as metrics call it.
func name(expression string) string {
	if len(expression) <= maxName {
		return expression
	}
	n := maxName - len(ellipsis)
	for !utf8.RuneStart(expression[n]) {
		n--
	}
	return expression[:n] + ellipsis
}

// match reports whether a line matches the rule. health is asked about the line if this is its rule.
func (r *rule) match(line []byte, h *healthRule) bool {
	if r.health {
		return h.match(line)
	}
	if len(r.literals) > 0 && !containsAny(line, r.literals) {
		return false
	}
	return r.re == nil || r.re.Match(line)
}

func containsAny(line []byte, literals [][]byte) bool {
	for _, l := range literals {
		if bytes.Contains(line, l) {
			return true
		}
	}
	return false
}
