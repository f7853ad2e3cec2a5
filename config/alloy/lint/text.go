package lint

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
)

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-?+][^}]*)?\}`)

// patterns are the attributes in which ${name} is a group of an expression or part of a template.
var patterns = map[string]bool{"replacement": true, "regex": true, "expression": true, "replace": true, "template": true}

// unexpandedVariable finds variables that are written as in a shell.
func unexpandedVariable(s *scope, found report) {
	for _, c := range s.blocks {
		attributes(c.name, c.block.Body, func(_ string, a *ast.AttributeStmt) {
			if patterns[a.Name.Name] {
				return
			}
			literals(a.Value, func(at ast.Node, text string) {
				m := variable.FindStringSubmatchIndex(text)
				if m == nil {
					return
				}
				name := text[m[2]:m[3]]
				instead := fmt.Sprintf("sys.env(%q)", name)
				if before := text[:m[0]]; before != "" {
					instead = fmt.Sprintf("%q + %s", before, instead)
				}
				if after := text[m[1]:]; after != "" {
					instead += fmt.Sprintf(" + %q", after)
				}
				found(at, "an Alloy file does not expand ${"+name+"}: the text stays unchanged unless a tool such as envsubst replaces it first", instead)
			})
		})
	}
}

// secretNames are attributes that contain a secret.
var secretNames = map[string]bool{"password": true, "bearer_token": true, "credentials": true, "client_secret": true, "secret_key": true, "api_key": true}

// plainSecret finds secrets that are written in the file.
func plainSecret(s *scope, found report) {
	for _, c := range s.blocks {
		attributes(c.name, c.block.Body, func(_ string, a *ast.AttributeStmt) {
			text, ok := stringOf(a.Value)
			if !ok || !secretNames[a.Name.Name] || text == "" || variable.MatchString(text) || isPlaceholder(text) {
				return
			}
			found(a.Value, "the secret is in the file, and therefore everywhere the file is: in a repository, an image, a backup",
				fmt.Sprintf("%s = sys.env(%q)", a.Name.Name, strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(c.id())+"_"+a.Name.Name)))
		})
	}
}

// isPlaceholder reports whether a text is a placeholder for a secret.
func isPlaceholder(text string) bool {
	return strings.HasPrefix(text, "<") && strings.HasSuffix(text, ">") || strings.Contains(text, "{{")
}

// patternOfFiles finds patterns where only the path of one file is allowed.
func patternOfFiles(s *scope, found report) {
	for _, c := range s.blocks {
		if c.name != "loki.source.file" || matchesFiles(c.block) {
			continue
		}
		targets := attribute(c.block, "targets")
		if targets == nil {
			continue
		}
		walk(targets, func(n ast.Node) {
			o, ok := n.(*ast.ObjectExpr)
			if !ok {
				return
			}
			for _, f := range o.Fields {
				text, ok := stringOf(f.Value)
				if !ok || f.Name.Name != "__path__" || !strings.ContainsAny(text, "*?[{") {
					continue
				}
				found(f.Value, "loki.source.file does not expand patterns: it treats this as the path of one file, which does not exist", "targets = local.file_match.<label>.targets, or file_match { enabled = true } in "+c.id())
			}
		})
	}
}

// matchesFiles reports whether a loki.source.file may expand patterns itself.
func matchesFiles(b *ast.BlockStmt) bool {
	matches := false
	blocks(b.Body, "file_match", func(inner *ast.BlockStmt) {
		l, isLiteral := attribute(inner, "enabled").(*ast.LiteralExpr)
		matches = attribute(inner, "enabled") != nil && (!isLiteral || l.Value != "false")
	})
	return matches
}
