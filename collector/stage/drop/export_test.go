package drop

import "regexp"

// Match reports whether a line matches one of the rules.
func (r *Rules) Match(line []byte) bool {
	d := dropper{rules: r.rules}
	return d.matching(line) >= 0
}

// Regexp returns an expression without its search for literals.
func Regexp(expression string) *regexp.Regexp { return regexp.MustCompile(expression) }
