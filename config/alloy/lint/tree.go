package lint

import (
	"strconv"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/token"
)

// attribute returns the value of an attribute of a block, or nil if the block does not have it.
func attribute(b *ast.BlockStmt, name string) ast.Expr {
	for _, stmt := range b.Body {
		if a, ok := stmt.(*ast.AttributeStmt); ok && a.Name.Name == name {
			return a.Value
		}
	}
	return nil
}

// blocks calls f for each block with a name within a body, at any depth.
func blocks(body ast.Body, name string, f func(*ast.BlockStmt)) {
	for _, stmt := range body {
		if b, ok := stmt.(*ast.BlockStmt); ok {
			if strings.Join(b.Name, ".") == name {
				f(b)
			}
			blocks(b.Body, name, f)
		}
	}
}

// attributes calls f for each attribute within a body, at any depth, with the name of its block.
func attributes(block string, body ast.Body, f func(block string, a *ast.AttributeStmt)) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *ast.AttributeStmt:
			f(block, stmt)
		case *ast.BlockStmt:
			attributes(strings.Join(stmt.Name, "."), stmt.Body, f)
		}
	}
}

// stringOf returns the text of a string literal.
func stringOf(e ast.Expr) (string, bool) {
	for {
		p, ok := e.(*ast.ParenExpr)
		if !ok {
			break
		}
		e = p.Inner
	}
	l, ok := e.(*ast.LiteralExpr)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	if strings.HasPrefix(l.Value, "`") {
		return strings.Trim(l.Value, "`"), true
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// literals calls f for each string literal of an expression.
func literals(e ast.Expr, f func(at ast.Node, text string)) {
	if e == nil {
		return
	}
	walk(e, func(n ast.Node) {
		if l, ok := n.(*ast.LiteralExpr); ok {
			if text, ok := stringOf(l); ok {
				f(l, text)
			}
		}
	})
}

// isEmptyList reports whether an expression is [].
func isEmptyList(e ast.Expr) bool {
	a, ok := e.(*ast.ArrayExpr)
	return ok && len(a.Elements) == 0
}

// fields returns the fields of an object literal, or nil if the expression is not one.
func fields(e ast.Expr) []*ast.ObjectField {
	if o, ok := e.(*ast.ObjectExpr); ok {
		return o.Fields
	}
	return nil
}

// path is a chain of names such as loki.write.x.receiver.
type path struct {
	names []string
	at    ast.Node
}

// paths returns the longest chains of names within an expression.
func paths(e ast.Expr) (all []path) {
	ast.Walk(visitor(func(n ast.Node) bool {
		x, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		if names := chain(x); names != nil {
			all = append(all, path{names, n})
			return false
		}
		return true
	}), e)
	return all
}

func chain(e ast.Expr) []string {
	switch e := e.(type) {
	case *ast.IdentifierExpr:
		return []string{e.Ident.Name}
	case *ast.AccessExpr:
		if names := chain(e.Value); names != nil {
			return append(names, e.Name.Name)
		}
	}
	return nil
}

// walk calls f for a node and all nodes below it.
func walk(n ast.Node, f func(ast.Node)) {
	ast.Walk(visitor(func(n ast.Node) bool { f(n); return true }), n)
}

// visitor is a function that is called for each node. It reports whether to visit the nodes below it.
type visitor func(ast.Node) bool

func (v visitor) Visit(n ast.Node) ast.Visitor {
	if n == nil || !v(n) {
		return nil
	}
	return v
}
