package alloy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config/alloy"
)

//go:generate go test -run TestDocs . -update

const docs = "../../docs/alloy.md"

// TestDocs compares the tables of docs/alloy.md with the components of the agent.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	want = between(t, want, "client", alloy.ClientMarkdown())
	want = between(t, want, "components", alloy.Markdown())
	if *update {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s differs (-want +have); go generate ./config/alloy rewrites it:\n%s", docs, diff)
	}
}

// between replaces the text between <!-- name --> and <!-- end of name -->.
func between(t *testing.T, text, name, content string) string {
	t.Helper()
	before, rest, ok := strings.Cut(text, "<!-- "+name+" -->\n")
	_, after, found := strings.Cut(rest, "<!-- end of "+name+" -->")
	if !ok || !found {
		t.Fatalf("%s has no marks of %s", docs, name)
	}
	return before + "<!-- " + name + " -->\n" + content + "<!-- end of " + name + " -->" + after
}
