package alloy

import (
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/vm"
)

// chain is a dotted name in an expression, such as loki.write.default.receiver.
type chain struct {
	parts  []string
	expr   ast.Expr
	called bool // as a function
}

func (c chain) String() string { return strings.Join(c.parts, ".") }

// chains returns the dotted names in a syntax node, each as long as possible.
func chains(n ast.Node) []chain {
	var v chainVisitor
	ast.Walk(&v, n)
	return v.found
}

type chainVisitor struct {
	found  []chain
	called ast.Expr // the function of the last call
}

// Visit is called by ast.Walk.
func (v *chainVisitor) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.CallExpr:
		v.called = n.Value
	case *ast.IdentifierExpr, *ast.AccessExpr:
		expr := n.(ast.Expr)
		if parts, ok := dotted(expr); ok {
			v.found = append(v.found, chain{parts, expr, expr == v.called})
			return nil
		}
	}
	return v
}

// dotted returns the parts of a dotted name, and reports whether the expression is one.
func dotted(e ast.Expr) ([]string, bool) {
	var parts []string
	for {
		switch x := e.(type) {
		case *ast.IdentifierExpr:
			parts = append(parts, x.Ident.Name)
			slices.Reverse(parts)
			return parts, true
		case *ast.AccessExpr:
			parts = append(parts, x.Name.Name)
			e = x.Value
		default:
			return nil, false
		}
	}
}

// standardLibrary has the functions and constants of Alloy's standard library that have a dot.
var standardLibrary = map[string][]string{
	"array":     {"combine_maps", "concat", "group_by"},
	"constants": {"arch", "hostname", "os", "version"},
	"convert":   {"nonsensitive"},
	"encoding":  {"from_URLbase64", "from_base64", "from_json", "from_yaml", "to_URLbase64", "to_base64", "to_json", "url_decode", "url_encode"},
	"file":      {"path_join"},
	"string":    {"format", "join", "replace", "split", "to_lower", "to_upper", "trim", "trim_prefix", "trim_space", "trim_suffix"},
	"sys":       {"env"},
}

// renamed has the new names of deprecated functions.
var renamed = map[string]string{
	"env":           "sys.env",
	"nonsensitive":  "convert.nonsensitive",
	"concat":        "array.concat",
	"json_decode":   "encoding.from_json",
	"yaml_decode":   "encoding.from_yaml",
	"base64_decode": "encoding.from_base64",
	"format":        "string.format",
	"join":          "string.join",
	"replace":       "string.replace",
	"split":         "string.split",
	"to_lower":      "string.to_lower",
	"to_upper":      "string.to_upper",
	"trim":          "string.trim",
	"trim_prefix":   "string.trim_prefix",
	"trim_suffix":   "string.trim_suffix",
	"trim_space":    "string.trim_space",
}

// libraryFunction returns the name in the standard library that is probably meant, or "".
func libraryFunction(name string) string {
	var all []string
	for namespace, names := range standardLibrary {
		for _, n := range names {
			all = append(all, namespace+"."+n)
		}
	}
	all = append(all, "coalesce", "json_path")
	slices.Sort(all)
	if n := nearest(name, all); n != "" {
		return n
	}
	_, last, _ := strings.Cut(name, ".") // std.coalesce
	for _, n := range all {
		if _, after, dot := strings.Cut(n, "."); last != "" && (n == last || dot && after == last) {
			return n
		}
	}
	return ""
}

// library checks a name whose first part belongs to the standard library, and warns about a deprecated one. It
// reports whether the name belongs to the library.
func (m *module) library(c chain) bool {
	root := c.parts[0]
	if !(*vm.Scope)(nil).IsStdlibIdentifiers(root) {
		return false
	}
	if now, ok := renamed[root]; ok {
		m.l.deprecate(spanOf(c.expr), root, now)
	}
	members, ok := standardLibrary[root]
	if ok && len(c.parts) > 1 && !slices.Contains(members, c.parts[1]) {
		m.l.fail(spanOf(c.expr), didYouMean(c.parts[1], members), "the standard library has no %q", c.String())
	}
	return true
}
