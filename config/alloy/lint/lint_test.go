package lint

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/parser"
)

// In the files of testdata, "// finds: RULE" marks each line that has a finding, and names its rule. For each rule
// there is a file RULE.alloy, and a file RULE-good.alloy with similar lines in which the rule must find nothing.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.alloy")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := map[string]int{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for i, line := range strings.Split(string(text), "\n") {
				if _, rule, ok := strings.Cut(line, "// finds: "); ok {
					want = append(want, fmt.Sprintf("%d %s", i+1, rule))
				}
			}
			for _, f := range Check(parse(t, file, text)) {
				name := f.Rule
				if f.Note {
					name += " (note)"
				}
				got = append(got, fmt.Sprintf("%d %s", f.Start.Line, name))
				found[f.Rule]++
				if f.Message == "" || f.Instead == "" {
					t.Errorf("%+v has no message, or does not say what to write instead", f)
				}
				if f.End.Offset < f.Start.Offset {
					t.Errorf("%s: the finding ends before it begins: %v, %v", f.Rule, f.Start, f.End)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
	for _, r := range rules {
		if found[r.name] == 0 {
			t.Errorf("no file has a finding of rule %s", r.name)
		}
		if _, err := os.Stat("testdata/" + r.name + "-good.alloy"); err != nil {
			t.Error(err)
		}
	}
}

// The files of a directory are one configuration: what one of them uses is used.
func TestFilesOfOneConfiguration(t *testing.T) {
	a := parse(t, "a.alloy", []byte(`loki.write "out" { endpoint { url = "http://loki:3100/loki/api/v1/push" } }`))
	b := parse(t, "b.alloy", []byte(`loki.source.api "in" { forward_to = [loki.write.out.receiver] }`))
	if got := Check(a, b); len(got) != 0 {
		t.Errorf("findings: %+v", got)
	}
	if got := Check(a); len(got) != 1 || got[0].Rule != "unused" {
		t.Errorf("findings of a file alone: %+v, want it unused", got)
	}
}

func TestMayBeginWithSlash(t *testing.T) {
	for expr, want := range map[string]bool{
		"/web": true, "web": false, ".*": true, "(web|/api)": true, "(web|api).*": false, "^/?web$": true, "": false,
		"[^a]+": true, "[a-z]+": false, ".*web.*": true, "(?i)WEB": false, "(": true, "^web$": false, "x?/y": true,
	} {
		if got := mayBeginWithSlash(expr); got != want {
			t.Errorf("mayBeginWithSlash(%q) = %v, want %v", expr, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	files, err := filepath.Glob("testdata/*.alloy")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parser.ParseFile("fuzz.alloy", bytes.Clone(text))
		if err != nil {
			t.Skip()
		}
		Check(parsed)
	})
}

// The names of rules are part of what people read.
func TestRuleNames(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules {
		names[r.name] = true
	}
	if len(names) != len(rules) {
		t.Errorf("two rules share a name: %v", slices.Sorted(maps.Keys(names)))
	}
}

func parse(t *testing.T, name string, text []byte) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
