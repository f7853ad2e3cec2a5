package env

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/relabel"
)

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		glob, name string
		want       bool
	}{
		{"api", "api", true},
		{"api", "api2", false},
		{"api", "my-api", false},
		{"api*", "api-7", true},
		{"*", "", true},
		{"*", "a/b", true},
		{"?", "é", true},
		{"a.b", "a-b", false},
		{"a+", "a+", true},
		{"[a-c]x", "bx", true},
		{"[^a-c]x", "bx", false},
		{"[!a-c]x", "dx", true},
		{`[\-x]`, "-", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{"(a|b)", "a", false},
	} {
		globs, err := parseGlobs(tc.glob)
		if err != nil || len(globs) != 1 {
			t.Errorf("parseGlobs(%q) = %q, %v", tc.glob, globs, err)
			continue
		}
		if have := relabel.MustNewRegexp(globRegex(globs[0])).MatchString(tc.name); have != tc.want {
			t.Errorf("%q matches %q: %t, want %t", tc.glob, tc.name, have, tc.want)
		}
	}
}

// FuzzGlob compares globs with package path, which they follow except for the slash and [!.
func FuzzGlob(f *testing.F) {
	f.Add("web-*", "web-1")
	f.Add(`[^a-c\]]?`, "]é")
	f.Fuzz(func(t *testing.T, glob, name string) {
		if strings.ContainsAny(glob, ",/") || strings.ContainsAny(name, "/") || strings.Contains(glob, "[!") || !utf8.ValidString(name) {
			t.Skip()
		}
		globs, err := parseGlobs(glob)
		if err != nil || len(globs) == 0 {
			t.Skip()
		}
		want, err := path.Match(globs[0], name)
		if err != nil {
			t.Skip() // how much of an invalid glob package path examines depends on the name
		}
		if have := relabel.MustNewRegexp(globRegex(globs[0])).MatchString(name); have != want {
			t.Errorf("%q matches %q: %t, want %t", globs[0], name, have, want)
		}
	})
}
