package env

import (
	"fmt"
	"strings"
	"unicode"
)

// byteOrderMark is what some editors write at the beginning of a file.
const byteOrderMark = "\ufeff"

// cleaned returns a value without what env files, editors and copying leave around it: quotes (docker run
// --env-file keeps them), blanks and a byte order mark. removed lists what was removed, except for a line
// ending. Quotes are removed only if the same quote does not occur inside, so that k="v",l="w" keeps its
// own.
func cleaned(v string) (value string, removed []string) {
	var quotes, blanks, marks bool
	v = strings.TrimRight(v, "\r\n")
	for before := ""; v != before; {
		before = v
		v = strings.Trim(v, byteOrderMark)
		marks = marks || v != before
		if inner := strings.TrimFunc(v, isBlank); inner != v {
			v, blanks = inner, true
		}
		if inner := unquoted(v); inner != v {
			v, quotes = inner, true
		}
	}
	for _, r := range []struct {
		found bool
		name  string
	}{{quotes, "quotes"}, {blanks, "blanks"}, {marks, "byte order mark"}} {
		if r.found {
			removed = append(removed, r.name)
		}
	}
	return v, removed
}

func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' }

func unquoted(v string) string {
	if len(v) < 2 || v[0] != '"' && v[0] != '\'' {
		return v
	}
	quote := v[:1]
	if inner, ok := strings.CutSuffix(v[1:], quote); ok && !strings.Contains(inner, quote) {
		return inner
	}
	return v
}

// cleanedWarning describes what cleaned removed, but not from what, because the value may be a secret.
func cleanedWarning(name string, removed []string) string {
	what := removed[0]
	if last := len(removed) - 1; last > 0 {
		what = strings.Join(removed[:last], ", ") + " and " + removed[last]
	}
	return fmt.Sprintf("%s is read without the %s around its value: write the value without them", name, what)
}
