package env_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config/env"
)

//go:generate go test -run TestReadme . -update

// TestReadme compares the generated parts of README.md with their sources.
func TestReadme(t *testing.T) {
	compose, err := os.ReadFile("../../deploy/docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := string(readme)
	want = between(t, want, "settings", env.Markdown())
	want = between(t, want, "compose", "\n```yaml\n"+string(compose)+"```\n")
	if *update {
		if err := os.WriteFile("../../README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(readme)); diff != "" {
		t.Errorf("README.md differs (-want +have); go generate ./config/env rewrites it:\n%s", diff)
	}
}

// between replaces the text between <!-- name --> and <!-- end of name -->.
func between(t *testing.T, text, name, content string) string {
	t.Helper()
	before, rest, ok := strings.Cut(text, "<!-- "+name+" -->\n")
	_, after, found := strings.Cut(rest, "<!-- end of "+name+" -->")
	if !ok || !found {
		t.Fatalf("README.md has no marks of %s", name)
	}
	return before + "<!-- " + name + " -->\n" + content + "<!-- end of " + name + " -->" + after
}

// TestExampleEnv: the example names settings that exist, and is valid once filled in.
func TestExampleEnv(t *testing.T) {
	environ := readEnv(t, "../../deploy/example.env")
	for i, kv := range environ {
		if strings.HasSuffix(kv, "=") {
			environ[i] += "1"
		}
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(kv, "GRAFANA_") && !strings.Contains(env.Markdown(), "`"+name+"`") {
			t.Errorf("%s is no setting", name)
		}
	}
	_, warnings, err := env.FromEnv(environ, os.ReadFile)
	if err != nil || len(warnings) > 0 {
		t.Errorf("err = %v, warnings = %q", err, warnings)
	}
}
