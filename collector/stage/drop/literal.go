package drop

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

const (
	maxLiterals = 8 // searching for more costs as much as the expression
	minLiteral  = 2 // bytes; a shorter one occurs in too many lines
)

// requiredLiterals returns literals such that every line that the expression matches contains at least one.
// It returns none if there are no such literals, or if searching for them is not worth it. For example, it
// returns "timeout" for `\d+ timeout$`, and "cache hit" and "cache miss" for `cache hit|cache miss`.
func requiredLiterals(expression string) [][]byte {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil
	}
	found := required(re.Simplify())
	if shortest(found) < minLiteral || len(found) > maxLiterals {
		return nil
	}
	literals := make([][]byte, len(found))
	for i, l := range found {
		literals[i] = []byte(l)
	}
	return literals
}

// required returns the best literals of a syntax tree: the set whose shortest literal is the longest.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		// The replacement character matches any byte that is not UTF-8.
		s := string(re.Rune)
		if re.Flags&syntax.FoldCase != 0 || strings.ContainsRune(s, utf8.RuneError) {
			return nil
		}
		return []string{s}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if found := required(sub); shortest(found) > shortest(best) {
				best = found
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			found := required(sub)
			if len(found) == 0 {
				return nil
			}
			all = append(all, found...)
		}
		return all
	}
	return nil
}

// shortest returns the length of the shortest literal, or 0 if there is none.
func shortest(literals []string) int {
	if len(literals) == 0 {
		return 0
	}
	n := len(literals[0])
	for _, l := range literals[1:] {
		n = min(n, len(l))
	}
	return n
}
