package glob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/discovery/glob"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"/var/log/*.log", "/var/log/a.log", true},
		{"/var/log/*.log", "/var/log/b/a.log", false},
		{"/var/log/**/*.log", "/var/log/a.log", true},
		{"/var/log/**/*.log", "/var/log/b/c/a.log", true},
		{"/var/log/**", "/var/log/b/c/a.log", true},
		{"**/x", "a/b/x", true},
		{"/var/log/{a,b{1,2}}.log", "/var/log/b2.log", true},
		{"/var/log/{a,b}.log", "/var/log/c.log", false},
		{"/a/[!b]", "/a/c", true},
		{"/a/[!b]", "/a/b", false},
		{"/a/?", "/a/b", true},
		{`/a/\*`, "/a/*", true},
		{`/a/\*`, "/a/b", false},
		{`/a/\{b\}`, "/a/{b}", true},
		{`/a/[{]`, "/a/{", true},
		{"/a/b", "/a/b", true},
		{"/a/b**", "/a/bcd", true},
	} {
		if got, err := glob.Match(tc.pattern, tc.name); got != tc.want || err != nil {
			t.Errorf("Match(%q, %q) = %t, %v; want %t", tc.pattern, tc.name, got, err, tc.want)
		}
	}
	for _, bad := range []string{"/a/[b", "/a/{b", `/a/b\`, strings.Repeat("{a,b}", 20)} {
		if _, err := glob.Match(bad, "/a/b"); err == nil {
			t.Errorf("Match(%q): no error", bad)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b.txt", "sub/c.log", "sub/deep/d.log", "sub/*.log", "other/e.log"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..", filepath.Join(dir, "sub", "up")); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string][]string{
		"*.log":             {"a.log"},
		"sub/c.log":         {"sub/c.log"},
		`sub/\*.log`:        {"sub/*.log"},
		"none/*.log":        nil,
		"{a.log,b.txt}":     {"a.log", "b.txt"},
		"sub/*/d.log":       {"sub/deep/d.log"},
		"other/**/*.log":    {"other/e.log"},
		"o*/../a.log":       {"a.log"}, // path.Clean takes the folder and what leaves it out
		"sub/deep/**":       {"sub/deep", "sub/deep/d.log"},
		"sub/**/deep/**/d*": {"sub/deep/d.log"},
	} {
		found, err := glob.Find(dir + "/" + pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		var got []string
		for _, f := range found {
			got = append(got, strings.TrimPrefix(f, dir+"/"))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", pattern, d)
		}
	}
	all, err := glob.Find(dir + "/**/*.log")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range all {
		if !strings.Contains(f, "/up/") {
			n++
		}
	}
	if n != 5 {
		t.Errorf("%d files of %v, want 5 that are not behind the link", n, all)
	}
	t.Chdir(dir)
	if got, err := glob.Find("*.log"); err != nil || len(got) != 1 || got[0] != "a.log" {
		t.Errorf("relative: %v, %v", got, err)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("/a/{b,[!c]}/**/*.log", "/a/b/c.log")
	f.Fuzz(func(_ *testing.T, pattern, name string) {
		if len(pattern) < 200 && len(name) < 200 {
			_, _ = glob.Match(pattern, name)
		}
	})
}
