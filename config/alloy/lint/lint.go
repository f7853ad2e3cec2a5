// Package lint finds parts of a configuration that Alloy accepts silently although they cannot do what was meant:
// a label that is never set where it is read, a rule that cannot match anything, a component that nothing uses.
// It examines only the text of the files, and evaluates nothing.
//
// A rule reports only what is certain: a good file has no findings.
package lint

import (
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/token"
)

// Finding is a part of a file that cannot do what was meant.
type Finding struct {
	Rule       string // the name of the rule, such as "log-stream"
	Note       bool   // it works, but may not be what is wanted
	Start, End token.Position
	Message    string // what is wrong, and why
	Instead    string // what to write instead
}

// rule finds mistakes of one kind in a scope.
type rule struct {
	name  string
	check func(*scope, report)
}

// report adds a finding at a node.
type report func(at ast.Node, message, instead string)

var rules = []rule{
	{"log-stream", logStream},
	{"unbounded-label", unboundedLabels},
	{"docker-stage", dockerStage},
	{"unknown-meta-label", unknownMeta},
	{"container-name-slash", nameSlash},
	{"template-text", templateText},
	{"label-from-nothing", labelFromNothing},
	{"unused", unused},
	{"forward-nowhere", forwardNowhere},
	{"no-targets", noTargets},
	{"pattern-of-files", patternOfFiles},
	{"unexpanded-variable", unexpandedVariable},
	{"plain-secret", plainSecret},
}

// Check returns the findings of all rules in the files of one configuration, in the order of the files and of
// their lines.
func Check(files ...*ast.File) []Finding {
	top := &scope{components: map[string]*component{}}
	for _, f := range files {
		top.add(f.Body)
	}
	var all []Finding
	for _, s := range top.all() {
		s.connect()
		for _, r := range rules {
			r.check(s, func(at ast.Node, message, instead string) {
				all = append(all, Finding{
					Rule: r.name, Start: ast.StartPos(at).Position(), End: ast.EndPos(at).Position(),
					Message: message, Instead: instead,
				})
			})
		}
		levelNotes(s, func(at ast.Node, message, instead string) {
			all = append(all, Finding{
				Rule: "unbounded-label", Note: true, Start: ast.StartPos(at).Position(), End: ast.EndPos(at).Position(),
				Message: message, Instead: instead,
			})
		})
	}
	order := map[string]int{}
	for i, f := range files {
		order[f.Name] = i
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		if n := order[a.Start.Filename] - order[b.Start.Filename]; n != 0 {
			return n
		}
		return a.Start.Offset - b.Start.Offset
	})
	return all
}

// scope is the top level of a configuration, or the body of a declare block. Its blocks can refer to each other.
type scope struct {
	blocks     []*component          // all blocks in their order, including those without a label
	components map[string]*component // the components that can be referred to
	inner      []*scope              // of declare blocks

	// labelNames has every label that something in the scope may set, except for those that stage.labels sets:
	// they are in staged.
	labelNames map[string]bool
	staged     map[string][]*component // labels that stage.labels sets, and where
	anyLabel   bool                    // a rule may set labels of any name
}

// component is a block of a scope.
type component struct {
	name  string // such as "loki.process"
	label string
	block *ast.BlockStmt
	refs  []reference // to other components, from all of its attributes
	users []reference // from other components to this one
}

// reference is an expression that names an export of a component.
type reference struct {
	from, to  *component
	attribute string // of from, such as "forward_to"
	export    string // such as "receiver"; empty if the whole component is named
	at        ast.Node
}

func (s *scope) add(body ast.Body) {
	for _, stmt := range body {
		b, ok := stmt.(*ast.BlockStmt)
		if !ok {
			continue
		}
		name := strings.Join(b.Name, ".")
		if name == "declare" {
			inner := &scope{components: map[string]*component{}}
			inner.add(b.Body)
			s.inner = append(s.inner, inner)
			continue
		}
		c := &component{name: name, label: b.Label, block: b}
		s.blocks = append(s.blocks, c)
		if b.Label != "" {
			s.components[name+"."+b.Label] = c
		}
	}
}

func (s *scope) all() []*scope {
	all := []*scope{s}
	for _, inner := range s.inner {
		all = append(all, inner.all()...)
	}
	return all
}

// connect finds the references between the components, and the labels that are set.
func (s *scope) connect() {
	for _, c := range s.blocks {
		s.references(c, c.block.Body)
	}
	s.labelNames = map[string]bool{"filename": true, "job": true, "instance": true, "service_name": true}
	s.staged = map[string][]*component{}
	for _, c := range s.blocks {
		s.noteLabels(c, c.name, c.block.Body)
	}
}

// mayComeWith reports whether the entries that a component receives may already have a label.
func (s *scope) mayComeWith(c *component, label string) bool {
	return s.anyLabel || s.labelNames[label] || slices.ContainsFunc(s.staged[label], func(other *component) bool { return other != c })
}

func (s *scope) references(c *component, body ast.Body) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *ast.BlockStmt:
			s.references(c, stmt.Body)
		case *ast.AttributeStmt:
			for _, path := range paths(stmt.Value) {
				if to, export := s.resolve(path.names); to != nil && to != c {
					r := reference{c, to, stmt.Name.Name, export, path.at}
					c.refs = append(c.refs, r)
					to.users = append(to.users, r)
				}
			}
		}
	}
}

// resolve returns the component that a path such as loki.write.x.receiver begins with, and the export.
func (s *scope) resolve(names []string) (_ *component, export string) {
	for n := len(names); n > 1; n-- {
		if c, ok := s.components[strings.Join(names[:n], ".")]; ok {
			if n < len(names) {
				export = names[n]
			}
			return c, export
		}
	}
	return nil, ""
}

// noteLabels records the labels that a body of a component may set. name is the name of its block.
func (s *scope) noteLabels(c *component, name string, body ast.Body) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *ast.BlockStmt:
			block := strings.Join(stmt.Name, ".")
			if block == "rule" {
				if text, ok := stringOf(attribute(stmt, "target_label")); ok {
					s.labelNames[text] = true
				}
				if action, ok := stringOf(attribute(stmt, "action")); ok && action == "labelmap" {
					s.anyLabel = true
				}
			}
			s.noteLabels(c, block, stmt.Body)
		case *ast.AttributeStmt:
			sets := stmt.Name.Name == "labels" || stmt.Name.Name == "targets" || stmt.Name.Name == "path_targets" || stmt.Name.Name == "external_labels" ||
				stmt.Name.Name == "values" && name == "stage.static_labels"
			if stmt.Name.Name == "values" && name == "stage.labels" {
				for _, f := range fields(stmt.Value) {
					s.staged[f.Name.Name] = append(s.staged[f.Name.Name], c)
				}
			}
			if !sets {
				continue
			}
			if _, ok := stmt.Value.(*ast.CallExpr); ok {
				s.anyLabel = true
			}
			walk(stmt.Value, func(n ast.Node) {
				if o, ok := n.(*ast.ObjectExpr); ok {
					for _, f := range o.Fields {
						s.labelNames[f.Name.Name] = true
					}
				}
			})
		}
	}
}

// of returns the components whose name has a prefix.
func (s *scope) of(prefix string) (all []*component) {
	for _, c := range s.blocks {
		if strings.HasPrefix(c.name, prefix) {
			all = append(all, c)
		}
	}
	return all
}

func (c *component) id() string {
	if c.label == "" {
		return c.name
	}
	return c.name + "." + c.label
}

// uses reports whether another component uses an export of the component.
func (c *component) uses(export string) bool {
	return slices.ContainsFunc(c.users, func(r reference) bool { return r.export == export })
}

// sources returns the names of the sources whose entries reach this component, directly or through others.
func (c *component) sources() map[string]bool {
	found, seen := map[string]bool{}, map[*component]bool{}
	var visit func(*component)
	visit = func(c *component) {
		if seen[c] {
			return
		}
		seen[c] = true
		for _, r := range c.users {
			if r.export != "receiver" {
				continue
			}
			if r.from.name == "loki.process" || r.from.name == "loki.relabel" {
				visit(r.from)
				continue
			}
			found[r.from.name] = true
		}
	}
	visit(c)
	return found
}
