package lint

import (
	"strings"

	"github.com/grafana/alloy/syntax/ast"
)

// isComponent reports whether a block is a component, rather than a block that configures the process, such as
// logging, or a block of a module.
func isComponent(c *component) bool {
	return strings.Contains(c.name, ".") && !strings.HasPrefix(c.name, "import.")
}

// isSource reports whether a component is the beginning of a pipeline, so that nothing needs to use its exports.
func isSource(c *component) bool {
	return strings.HasPrefix(c.name, "loki.source.") || c.name == "prometheus.scrape" || strings.HasPrefix(c.name, "prometheus.operator.") || c.name == "prometheus.receive_http"
}

// unused finds components that do nothing because nothing uses them.
func unused(s *scope, found report) {
	for _, c := range s.blocks {
		if !isComponent(c) || isSource(c) || len(c.users) > 0 || strings.HasPrefix(c.name, "otelcol.") || strings.HasPrefix(c.name, "pyroscope.") || strings.HasPrefix(c.name, "faro.") {
			continue
		}
		var instead string
		switch {
		case strings.HasPrefix(c.name, "discovery.") || strings.HasPrefix(c.name, "local.file_match"):
			out := "targets"
			if c.name == "discovery.relabel" {
				out = "output"
			}
			instead = "targets = " + c.id() + "." + out + " in the component that should use them"
		case strings.HasPrefix(c.name, "prometheus.exporter."):
			instead = "a prometheus.scrape with targets = " + c.id() + ".targets"
		case c.name == "loki.relabel" && isEmptyList(attribute(c.block, "forward_to")):
			instead = "relabel_rules = " + c.id() + ".rules in the source that should use them"
		case c.name == "loki.process" || c.name == "loki.write" || c.name == "loki.relabel" || c.name == "loki.echo" || c.name == "loki.secretfilter" ||
			c.name == "prometheus.relabel" || c.name == "prometheus.remote_write":
			instead = "forward_to = [" + c.id() + ".receiver] in the component that should send to it"
		default:
			instead = "remove it"
		}
		found(head{c.block}.node(), "nothing uses "+c.id()+", so it has no effect", instead)
	}
}

// head is the name of a block, without its body.
type head struct{ block *ast.BlockStmt }

func (h head) node() ast.Node {
	return &ast.Ident{Name: strings.Join(h.block.Name, "."), NamePos: h.block.NamePos}
}

// forwardNowhere finds sources and the components after them that send to nothing.
func forwardNowhere(s *scope, found report) {
	for _, c := range s.blocks {
		to := attribute(c.block, "forward_to")
		if to == nil || !isEmptyList(to) {
			continue
		}
		switch {
		case isSource(c):
			found(to, c.id()+" sends to nothing: the data that it collects is dropped", "forward_to = [a receiver, such as loki.write.default.receiver]")
		case c.uses("receiver"):
			found(to, c.id()+" sends to nothing: the data that it receives is dropped", "forward_to = [a receiver, such as loki.write.default.receiver]")
		}
	}
}

// noTargets finds consumers whose list of targets can only be empty.
func noTargets(s *scope, found report) {
	for _, c := range s.blocks {
		if c.name != "prometheus.scrape" && c.name != "loki.source.docker" && c.name != "loki.source.file" {
			continue
		}
		if targets := attribute(c.block, "targets"); targets != nil && s.isEmpty(targets, map[*component]bool{}) {
			found(targets, c.id()+" has no targets, and can never have any", "targets = the targets of a discovery, or a list such as [{\"__address__\" = \"api:3000\"}]")
		}
	}
}

// isEmpty reports whether an expression of targets can only be an empty list.
func (s *scope) isEmpty(e ast.Expr, seen map[*component]bool) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return s.isEmpty(e.Inner, seen)
	case *ast.ArrayExpr:
		return len(e.Elements) == 0
	case *ast.CallExpr:
		name := strings.Join(chain(e.Value), ".")
		if name != "array.concat" && name != "concat" {
			return false
		}
		for _, a := range e.Args {
			if !s.isEmpty(a, seen) {
				return false
			}
		}
		return true
	}
	c, export := s.resolve(chain(e))
	if c == nil || c.name != "discovery.relabel" || export != "output" || seen[c] {
		return false
	}
	seen[c] = true
	targets := attribute(c.block, "targets")
	return targets != nil && s.isEmpty(targets, seen)
}
