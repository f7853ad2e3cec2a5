// Package drop drops log entries that nobody wants to keep: those that match a regular expression, and
// answered health checks.
//
// It counts what it drops by service and rule. It keeps an entry that it does not recognise.
package drop

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Rules decide which entries are dropped. They are safe for concurrent use.
type Rules struct {
	rules []rule
}

// rule is a regular expression, or the built-in rule health.
type rule struct {
	name     string
	health   bool
	literals [][]byte       // every line that re matches contains at least one; empty if unknown
	re       *regexp.Regexp // nil if every line with one of the literals matches
}

const (
	health   = "health"
	maxName  = 40 // bytes of an expression that are its name in a metric
	ellipsis = "…"
)

// Parse reads rules, one per line: a regular expression in Go's syntax, or the word health. It ignores
// spaces around a rule and empty lines. An error names the line.
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

// Names returns the names of the rules in metrics, in order: health, or the beginning of the expression, at
// most 40 bytes. Expressions that begin alike share a name.
func (r *Rules) Names() []string {
	names := make([]string, len(r.rules))
	for i := range r.rules {
		names[i] = r.rules[i].name
	}
	return names
}

// name returns the name of an expression in metrics.
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

// match reports whether a line matches the rule. If the rule is health, it uses h.
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
