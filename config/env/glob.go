package env

import (
	"errors"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/relabel"
)

// parseGlobs parses globs. * matches any text, ? any character, [a-z] one of these characters, [^a-z] or
// [!a-z] one of the others, and \ makes the next character literal.
func parseGlobs(v string) ([]string, error) {
	globs := list(v)
	for i, g := range globs {
		globs[i] = strings.ReplaceAll(g, "[!", "[^")
		_, err := path.Match(globs[i], "")
		if err == nil {
			_, err = relabel.NewRegexp(globRegex(globs[i])) // finds an invalid range
		}
		if err != nil || !utf8.ValidString(g) {
			return nil, errors.New("want globs of *, ? and [a-z], with commas between them")
		}
	}
	return globs, nil
}

// globRegex returns an unanchored regular expression for a glob that package path accepts.
func globRegex(glob string) string {
	var b strings.Builder
	class := false // inside [ and ]
	for glob != "" {
		r, n := utf8.DecodeRuneInString(glob)
		switch {
		case r == '\\':
			r, size := utf8.DecodeRuneInString(glob[n:])
			n += size
			b.WriteString(literal(r))
		case class && r == ']':
			class = false
			b.WriteByte(']')
		case class && r == '-':
			b.WriteByte('-')
		case !class && r == '[':
			class = true
			b.WriteByte('[')
			if strings.HasPrefix(glob[n:], "^") {
				n++
				b.WriteByte('^')
			}
		case !class && r == '*':
			b.WriteString(".*")
		case !class && r == '?':
			b.WriteByte('.')
		default:
			b.WriteString(literal(r))
		}
		glob = glob[n:]
	}
	return b.String()
}

// literal writes a character so that it is literal, even in a class.
func literal(r rune) string {
	if r == '-' {
		return `\-`
	}
	return regexp.QuoteMeta(string(r))
}
