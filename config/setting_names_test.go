package config_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"lighter/config"
)

// Each setting mentioned in errors has a name in the environment, which the README lists.
func TestNameSettings(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../setting.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		if lit, ok := node.(*ast.BasicLit); ok {
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			n++
			name, _, _ := strings.Cut(config.NameSettings(text), "=")
			if strings.Contains(name, "{") || !strings.Contains(string(readme), "`"+name+"`") {
				t.Errorf("%s is called %q, want a variable of the README", text, name)
			}
		}
		return true
	})
	if n == 0 {
		t.Error("no setting was found in setting.go")
	}
	const text = `{"a":1} {b} x{`
	if got := config.NameSettings(text); got != text {
		t.Errorf("NameSettings(%q) = %q, want it unchanged", text, got)
	}
}
