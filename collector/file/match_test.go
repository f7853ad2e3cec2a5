package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/file"
)

func TestMatch(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"a.log", "b.log", "c.txt", ".hidden.log", "a/one.log", "a/two.txt", "a/b/three.log", "a/b/c/four.log", "x[1].log", "old.gz",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "a/b/loop")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "a/b/c"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "b.log"), hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		pattern, exclude string
		olderThan        time.Duration
		want             string
	}{
		{"/a.log", "", 0, "a.log"},
		{"/none.log", "", 0, ""},
		{"/a", "", 0, ""}, // a directory
		{"/*.log", "", 0, ".hidden.log a.log b.log x[1].log"},
		{"/*.log", "/b*", 0, ".hidden.log a.log x[1].log"},
		{"/*.log", "", time.Minute, ".hidden.log a.log x[1].log"},
		{"/?.{log,txt}", "", 0, "a.log b.log c.txt"},
		{"/{a,b,a}.log", "", 0, "a.log b.log"},
		{"/[ab].log", "", 0, "a.log b.log"},
		{"/[!a].log", "", 0, "b.log"},
		{"/[^a].log", "", 0, "b.log"},
		{`/x\[1\].log`, "", 0, "x[1].log"},
		{"/a/**/*.log", "", 0, "a/b/c/four.log a/b/three.log a/one.log"},
		{"/a/**", "", 0, "a/b/c/four.log a/b/three.log a/one.log a/two.txt"},
		{"/a/**/*.log", "/a/b/**", 0, "a/one.log"},
		{"/**/b/*.log", "", 0, "a/b/three.log"},
		{"/**/{one,f*}.log", "", 0, "a/b/c/four.log a/one.log link/four.log"},
		{"//a/./one.log", "", 0, "a/one.log"},
		{"/a/../a.log", "", 0, "a.log"},
	} {
		target := lighter.Target{Labels: labels.FromStrings("__path__", dir+tc.pattern, "job", "x")}
		if tc.exclude != "" {
			target.Labels = labels.FromStrings("__path__", dir+tc.pattern, "__path_exclude__", dir+tc.exclude, "job", "x")
		}
		found, err := file.Match([]lighter.Target{target}, file.MatchOptions{IgnoreOlderThan: tc.olderThan})
		if err != nil {
			t.Errorf("%s: %v", tc.pattern, err)
		}
		var got []string
		for _, f := range found {
			got = append(got, strings.TrimPrefix(f.Labels.Get("__path__"), dir+"/"))
			if f.Labels.Get("job") != "x" {
				t.Errorf("%s: the other labels are not kept: %s", tc.pattern, f.Labels)
			}
		}
		if got := strings.Join(got, " "); got != tc.want {
			t.Errorf("%s without %q finds %q, want %q", tc.pattern, tc.exclude, got, tc.want)
		}
	}
}

func TestMatchErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/a.log", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := lighter.Target{Labels: labels.FromStrings("__path__", dir+"/*.log")}
	for _, pattern := range []string{"/[a", "/{a", `/a\`, strings.Repeat("/{a,b}", 10), strings.Repeat("{", 1000)} {
		if file.CheckPattern(pattern) == nil {
			t.Errorf("CheckPattern(%.20q) gives no error", pattern)
		}
		bad := lighter.Target{Labels: labels.FromStrings("__path__", pattern)}
		found, err := file.Match([]lighter.Target{bad, good}, file.MatchOptions{})
		if len(found) != 1 || err == nil || len(err.Error()) > 3000 {
			t.Errorf("%.20q: %d files, error %v", pattern, len(found), err)
		}
		// If the excluded files are not known, nothing is found.
		bad = lighter.Target{Labels: labels.FromStrings("__path__", dir+"/*.log", "__path_exclude__", pattern)}
		if found, err := file.Match([]lighter.Target{bad}, file.MatchOptions{}); len(found) > 0 || err == nil {
			t.Errorf("without %.20q: %d files, error %v", pattern, len(found), err)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{"/var/log/**/*.log", "{a,b{c,d}}", `[!a]\{`, "**/**/**", "{,}{,}{,}"} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if len(pattern) > 100 || strings.Count(pattern, "**") > 4 {
			t.Skip()
		}
		err := file.CheckPattern(pattern)
		if strings.HasPrefix(pattern, "/") || strings.Contains(pattern, "..") {
			t.Skip() // it would look for files
		}
		if _, globErr := file.Glob("/nonexistent-directory/" + pattern); err == nil && globErr != nil {
			t.Errorf("CheckPattern(%q) is content, and Glob says %v", pattern, globErr)
		}
	})
}

func TestSources(t *testing.T) {
	target := func(l ...string) lighter.Target { return lighter.Target{Labels: labels.FromStrings(l...)} }
	sources := file.Sources([]lighter.Target{
		target("__path__", "/b.log", "job", "y", "filename", "mine", "__meta_x", "z"),
		target("__path__", "/a.log", "job", "x"),
		target("__path__", "/a.log", "job", "x", "__meta_x", "z"),
		target("__path__", "/a.log", "job", "w"),
		target("job", "none"),
	})
	var got []string
	for _, s := range sources {
		key := strings.TrimPrefix(s.Key, s.Path)
		got = append(got, fmt.Sprintf("%s %s %d", s.Path, s.Labels, len(key)))
	}
	want := []string{
		`/a.log {filename="/a.log", job="w"} 0`,
		`/a.log {filename="/a.log", job="x"} 17`,
		`/b.log {filename="/b.log", job="y"} 0`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b@0123456789abcdef", "c@0123456789ABCDEF"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]bool{
		"a.log":                   false,
		"a.log@0123456789abcdef":  false, // the hash that Sources adds
		"b@0123456789abcdef":      false, // the file is named so
		"c@0123456789ABCDEF":      false,
		"a.log@0123456789abcdeg":  true, // no hash
		"a.log@0123456789abcde":   true,
		"a.log@0123456789abcdef0": true,
		"a.log@sixteen letters!":  true,
		"b":                       true,
		"d.log":                   true,
		"d.log@0123456789abcdef":  true,
		"e/a.log":                 false, // there is no such folder
		"a.log/b":                 false, // nor here
	} {
		if got := file.Gone(filepath.Join(dir, key)); got != want {
			t.Errorf("Gone(%q) is %t, want %t", key, got, want)
		}
	}
}
