package alloy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/token"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// builder makes the nodes of one component.
type builder struct {
	*module
	entry *entry
}

func (b *builder) block() *ast.BlockStmt { return b.entry.component.Block }

// name returns the name of a node of the component: the component's ID, followed by a suffix if the component
// has more than one node.
func (b *builder) name(of string) string {
	name := b.entry.component.ID
	if of != "" {
		name += "." + nodeName(of)
	}
	return name
}

// alloyID returns the component's ID as Alloy writes it, such as app.one/prometheus.scrape.default.
func (b *builder) alloyID() string { return path.Join(b.module.alloyID, b.entry.id) }

// nodeName returns a text with the characters replaced that cannot be in the name of a node.
func nodeName(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, text)
}

// add adds a node to the plan, and returns its name.
func (b *builder) add(n config.Node) string {
	n.Name = nodeName(n.Name)
	for i, base := 2, n.Name; b.l.owners[n.Name] != nil; i++ {
		n.Name = fmt.Sprintf("%s_%d", base, i)
	}
	switch c := n.Args.(type) {
	case docker.Config:
		c.Name = n.Name
		n.Args = c
	case loki.Config:
		c.Name = n.Name
		n.Args = c
	case remotewrite.Config:
		c.Name = n.Name
		n.Args = c
	case scrape.Config:
		c.Name = n.Name
		n.Args = c
	}
	b.l.owners[n.Name] = b.entry.component
	b.entry.component.Nodes = append(b.entry.component.Nodes, n.Name)
	b.l.plan.Nodes = append(b.l.plan.Nodes, n)
	return n.Name
}

// from returns the nodes that provide the targets. Targets that are written in the file become a node of their own.
func (b *builder) from(targets []Target) []string {
	var nodes []string
	var static []labels.Labels
	for _, t := range targets {
		if t.Node != "" {
			nodes = appendNew(nodes, t.Node)
		} else {
			static = append(static, t.Labels)
		}
	}
	if len(static) > 0 {
		nodes = append(nodes, b.add(config.Node{Name: b.name("static"), Args: config.Static{Targets: static}}))
	}
	return nodes
}

// place returns the place of an argument or a block of the component, or the place of the component's head.
func (b *builder) place(names ...string) span { return placeIn(b.block(), names...) }

func placeIn(block *ast.BlockStmt, names ...string) span {
	body := block.Body
	at := headOf(block)
	for _, name := range names {
		i := slices.IndexFunc(body, func(s ast.Stmt) bool { return stmtName(s) == name })
		if i < 0 {
			return at
		}
		at = spanOf(body[i])
		if inner, ok := body[i].(*ast.BlockStmt); ok {
			body = inner.Body
		}
	}
	return at
}

// valueOf returns the value of an argument of a block, or the block's whole body if it has no such argument.
func valueOf(block *ast.BlockStmt, name string) ast.Node {
	for _, s := range block.Body {
		if a, ok := s.(*ast.AttributeStmt); ok && a.Name.Name == name {
			return a.Value
		}
	}
	return block.Body
}

func stmtName(s ast.Stmt) string {
	switch s := s.(type) {
	case *ast.AttributeStmt:
		return s.Name.Name
	case *ast.BlockStmt:
		return s.GetBlockName()
	}
	return ""
}

// blocks returns the blocks of the component that have a name.
func (b *builder) blocks(name string) []*ast.BlockStmt {
	var all []*ast.BlockStmt
	for _, s := range b.block().Body {
		if inner, ok := s.(*ast.BlockStmt); ok && inner.GetBlockName() == name {
			all = append(all, inner)
		}
	}
	return all
}

func (b *builder) fail(at span, hint, format string, args ...any) {
	b.l.fail(at, hint, format, args...)
}

func (b *builder) warn(at span, hint, format string, args ...any) {
	b.l.warn(at, hint, format, args...)
}

// warnNoEffect warns about the arguments and blocks of a body that have no effect.
func (b *builder) warnNoEffect(body ast.Body, path string) {
	for _, stmt := range body {
		name := path + stmtName(stmt)
		if why, ok := b.entry.kind.noEffect[name]; ok {
			if asItIs(stmt) {
				continue
			}
			b.warn(spanOf(stmt), "", "%q has no effect in lighter: %s", stmtName(stmt), why)
			continue
		}
		if inner, ok := stmt.(*ast.BlockStmt); ok {
			b.warnNoEffect(inner.Body, name+".")
		}
	}
}

// asItIs reports whether an argument or block without effect asks for what the agent always does.
func asItIs(stmt ast.Stmt) bool {
	switch stmt := stmt.(type) {
	case *ast.BlockStmt:
		for _, s := range stmt.Body {
			if a, ok := s.(*ast.AttributeStmt); ok && a.Name.Name == "enabled" {
				return literalBool(a.Value, false)
			}
		}
	case *ast.AttributeStmt:
		switch stmt.Name.Name {
		case "retry_on_http_429", "block_on_overflow", "disable_root_cgroup_stats":
			return literalBool(stmt.Value, true)
		case "honor_metadata", "round_robin_dns", "insecure_skip_verify":
			return literalBool(stmt.Value, false)
		}
	}
	return false
}

// literalBool reports whether an expression is the literal of a value.
func literalBool(e ast.Expr, value bool) bool {
	l, ok := e.(*ast.LiteralExpr)
	return ok && l.Kind == token.BOOL && l.Value == strconv.FormatBool(value)
}

// DoesNotRun ends each warning about a component that is left out of the plan.
const DoesNotRun = "so it does not run"

// noReceiver warns about a component that sends to nothing and is therefore left out of the plan.
func (b *builder) noReceiver(argument string) {
	b.warn(b.place(argument), "", "%s sends to nothing, %s", b.entry.component.ID, DoesNotRun)
}

// noTargets warns about a component whose list of targets is empty and that is therefore left out of the plan.
func (b *builder) noTargets(argument string) {
	b.warn(b.place(argument), "", "%s has no targets, %s", b.entry.component.ID, DoesNotRun)
}
