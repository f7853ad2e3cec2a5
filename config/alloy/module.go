package alloy

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/vm"
)

// kind is a kind of component, or of block that configures the agent.
type kind struct {
	args     func() any // a pointer to new arguments
	exports  []string
	build    func(b *builder, args any) map[string]any // makes the nodes, and returns the exports
	noEffect map[string]string                         // by the path of an argument or block, why it has no effect
	refused  map[string]string                         // by the same path, what to do instead of what the agent does not support
	partly   map[string]string                         // by the same path, which values the agent does not support, or what is different
}

// kindOf returns a kind whose arguments have type A.
func kindOf[Args any](build func(*builder, *Args) map[string]any, exports ...string) kind {
	return kind{
		args:    func() any { return new(Args) },
		exports: exports,
		build:   func(b *builder, args any) map[string]any { return build(b, args.(*Args)) },
	}
}

// without adds the arguments that have no effect.
func (k kind) without(effect map[string]string) kind {
	k.noEffect = effect
	return k
}

// refusing adds the arguments that the agent does not support.
func (k kind) refusing(paths map[string]string) kind {
	k.refused = paths
	return k
}

// but adds the arguments that do not support all values, or that are different from Alloy's.
func (k kind) but(paths map[string]string) kind {
	k.partly = paths
	return k
}

// module is a body of blocks that can refer to each other: the whole configuration, or the body of a custom
// component.
type module struct {
	l         *loader
	id        string // of the custom component; empty for the whole configuration
	alloyID   string // as Alloy writes it in the value of a label
	path      string // of the directory that the module is in
	variables map[string]any
	registry  *registry
	custom    *declaration   // nil for the whole configuration
	given     map[string]any // the arguments of the custom component
	exported  map[string]any // what its export blocks give

	entries []*entry
	byID    map[string]*entry
	within  []*declaration // the custom components that this one is in, and itself
	imports []string       // the files whose imports lead to this one
}

// entry is a block of a module.
type entry struct {
	id        string // in its module
	component *Component
	kind      kind
	custom    *declaration // of a custom component
	links     []link
	state     state
	failed    bool
	lacking   bool // an exporter that the agent lacks, which is an error only if something uses it
	exports   map[string]any
}

type state int

const (
	untouched state = iota
	open
	closed
)

// link is a reference to another entry of the module.
type link struct {
	to        *entry
	reference Reference
}

// collect sorts the blocks of a body, so that declarations and imports are known before the other blocks are
// looked up.
func (m *module) collect(body ast.Body) {
	var rest []*ast.BlockStmt
	for _, stmt := range body {
		b, ok := stmt.(*ast.BlockStmt)
		if !ok {
			m.l.fail(spanOf(stmt), "put it into its block", "the argument %q is outside of all blocks", stmtName(stmt))
			continue
		}
		switch name := b.GetBlockName(); {
		case name == "declare":
			m.declare(b)
		case name == "import.file":
			m.importFile(b)
		case m.refusedBlock(b, name):
		default:
			rest = append(rest, b)
		}
	}
	for _, b := range rest {
		m.add(b)
	}
}

// add makes an entry for a block.
func (m *module) add(b *ast.BlockStmt) {
	name := b.GetBlockName()
	e := &entry{id: name, component: &Component{Name: name, Label: b.Label, Module: m.id, File: position(b.NamePos).Filename, Block: b}}
	if b.Label != "" {
		e.id += "." + b.Label
	}
	e.component.ID = m.full(e.id)
	if !m.classify(e) {
		e.failed = true
	}
	if other, ok := m.byID[e.id]; ok {
		at := position(other.component.Block.NamePos)
		hint := "give one of them another label"
		if b.Label == "" {
			hint = "combine them into one block"
		}
		m.l.fail(headOf(b), hint, "%s is defined twice: also in %s:%d", e.id, at.Filename, at.Line)
		return
	}
	if m.byID == nil {
		m.byID = map[string]*entry{}
	}
	m.byID[e.id] = e
	m.entries = append(m.entries, e)
}

// full returns the ID of an entry in the whole configuration.
func (m *module) full(id string) string {
	if m.id == "" {
		return id
	}
	return m.id + "." + id
}

// classify finds the kind of an entry, and reports an error if there is no such kind.
func (m *module) classify(e *entry) bool {
	b, name := e.component.Block, e.component.Name
	if name == "argument" || name == "export" {
		return m.classifyBoundary(e)
	}
	if k, ok := configBlocks()[name]; ok {
		e.kind = k
		switch {
		case m.custom != nil:
			m.l.fail(headOf(b), "put it outside of the declare", "the block %q is not allowed in a declare", name)
		case b.Label != "":
			m.l.fail(headOf(b), "write "+name+" { … }", "the block %q takes no label", name)
		default:
			return true
		}
		return false
	}
	k, builtIn := components()[name]
	if builtIn {
		e.kind = k
	} else if e.custom = m.registry.find(name); e.custom == nil {
		exporter, isExporter := strings.CutPrefix(name, "prometheus.exporter.")
		e.lacking = isExporter && (exporterImages[exporter] != "" || slices.Contains(alloyComponents, name))
		if !e.lacking && !m.registry.mayHave(name) {
			m.unknownComponent(b)
		}
		return false
	}
	if b.Label == "" {
		m.l.fail(headOf(b), "write "+name+` "default" { … }`, "%s has no label", name)
		return false
	}
	e.kind.exports = slices.Clone(e.kind.exports)
	if e.custom != nil {
		e.kind.exports = e.custom.exports()
	}
	for _, name := range e.kind.exports {
		e.component.Exports = append(e.component.Exports, Export{Name: name})
	}
	return true
}

// evaluate evaluates all entries, each after the entries that it refers to.
func (m *module) evaluate() {
	for _, e := range m.entries {
		m.link(e)
	}
	m.checkLacking()
	for _, e := range m.entries {
		m.visit(e, nil)
	}
}

// checkLacking reports the exporters that the agent lacks. If nothing scrapes an exporter, it is only a warning.
func (m *module) checkLacking() {
	used := map[*entry]bool{}
	for _, e := range m.entries {
		for _, l := range e.links {
			used[l.to] = true
		}
	}
	for _, e := range m.entries {
		b := e.component.Block
		switch {
		case !e.lacking:
		case used[e]:
			m.unknownComponent(b)
		default:
			m.l.warn(headOf(b), insteadOf(e.component.Name), "lighter has no component %q, and nothing uses %s, %s", e.component.Name, e.id, DoesNotRun)
		}
	}
}

// link finds the references in an entry's arguments, and reports those to something that does not exist.
func (m *module) link(e *entry) {
	walkArguments(e.component.Block.Body, "", func(path string, a *ast.AttributeStmt) {
		m.warnCoalesce(a.Value)
		for _, c := range chains(a.Value) {
			if to, export := m.check(c); to != nil {
				e.links = append(e.links, link{to, Reference{Argument: path, Expr: c.expr, To: to.component, Export: export}})
			}
		}
	})
}

// warnCoalesce warns about a choice between lists of targets, because it is made before the targets are known.
func (m *module) warnCoalesce(e ast.Expr) {
	var v coalesceVisitor
	ast.Walk(&v, e)
	for _, choice := range v.found {
		for _, c := range chains(choice) {
			to, rest := m.find(c.parts)
			if to != nil && len(rest) == 1 && (rest[0] == "targets" || rest[0] == "output") {
				m.l.warn(spanOf(choice), "write array.concat to use the targets of both", "coalesce always chooses %s, even if it has no targets: its targets are known only while the agent runs", c)
			}
		}
	}
}

// coalesceVisitor finds the arguments of coalesce that it skips if they are empty.
type coalesceVisitor struct{ found []ast.Expr }

// Visit is called by ast.Walk.
func (v *coalesceVisitor) Visit(n ast.Node) ast.Visitor {
	if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 1 {
		if name, _ := dotted(call.Value); len(name) == 1 && name[0] == "coalesce" {
			v.found = append(v.found, call.Args[:len(call.Args)-1]...)
		}
	}
	return v
}

// walkArguments calls f for each argument in a body and its blocks.
func walkArguments(body ast.Body, path string, f func(path string, a *ast.AttributeStmt)) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *ast.AttributeStmt:
			f(path+stmt.Name.Name, stmt)
		case *ast.BlockStmt:
			walkArguments(stmt.Body, path+stmt.GetBlockName()+".", f)
		}
	}
}

// find returns the entry whose ID is the beginning of a name, and the rest of the name.
func (m *module) find(parts []string) (*entry, []string) {
	for n := len(parts); n > 0; n-- {
		if e, ok := m.byID[strings.Join(parts[:n], ".")]; ok && e.component.Label != "" {
			return e, parts[n:]
		}
	}
	return nil, nil
}

// check returns the entry and the export that a name refers to. If the name refers to neither an entry nor the
// standard library, it reports an error.
func (m *module) check(c chain) (to *entry, export string) {
	switch c.parts[0] {
	case "module_path":
		return nil, ""
	case "argument":
		m.checkArgument(c)
		return nil, ""
	}
	to, rest := m.find(c.parts)
	if to == nil {
		if !m.library(c) {
			m.missing(c)
		}
		return nil, ""
	}
	if len(rest) == 0 {
		return to, ""
	}
	if exports := to.kind.exports; !to.failed && !slices.Contains(exports, rest[0]) {
		hint := "it exports " + list(exports)
		if len(exports) == 0 {
			hint = "it exports nothing; its forward_to says where it sends"
		}
		m.l.fail(spanOf(c.expr), hint, "%s has no export %q", to.id, rest[0])
		return nil, ""
	}
	return to, rest[0]
}

// missing reports that nothing has a name.
func (m *module) missing(c chain) {
	at := spanOf(c.expr)
	if len(c.parts) == 1 {
		m.l.fail(at, hintForWord(c.parts[0], c.called), "there is no %q", c.String())
		return
	}
	f := libraryFunction(c.String())
	if strings.EqualFold(c.parts[len(c.parts)-1], "getenv") { // os.Getenv
		f = "sys.env"
	}
	if f != "" {
		m.l.fail(at, "did you mean "+quote(f)+"?", "the standard library has no %q", c.String())
		return
	}
	var ids []string
	for _, e := range m.entries {
		if e.component.Label != "" {
			ids = append(ids, e.id)
		}
	}
	id := c.parts
	if n := len(id); n > 2 {
		if _, isKind := components()[strings.Join(id[:n-1], ".")]; !isKind { // its last part is an export
			id = id[:n-1]
		}
	}
	hint := ""
	if n := nearest(strings.Join(id, "."), ids); n != "" {
		hint = "did you mean " + quote(n) + "?"
	} else if sameKind := ofKind(ids, strings.Join(id[:len(id)-1], ".")); len(sameKind) > 0 {
		hint = "the configuration has " + list(sameKind)
	} else if n := nearest(strings.Join(id[:len(id)-1], "."), slices.Sorted(maps.Keys(components()))); n == strings.Join(id[:len(id)-1], ".") {
		hint = fmt.Sprintf("write one: %s %q { … }", n, id[len(id)-1])
	} else if n != "" {
		hint = "such a component is called " + quote(n)
	}
	m.l.fail(at, hint, "there is no component %q", strings.Join(id, "."))
}

func hintForWord(word string, called bool) string {
	switch strings.ToLower(word) {
	case "getenv":
		return `did you mean "sys.env"?`
	case "true", "false", "null":
		return "write " + strings.ToLower(word)
	case "none", "nil":
		return "write null"
	}
	if f := libraryFunction(word); f != "" {
		return "did you mean " + quote(f) + "?"
	}
	if called {
		return ""
	}
	return "write a string in quotes: " + quote(word)
}

func ofKind(ids []string, kind string) []string {
	var same []string
	for _, id := range ids {
		if strings.HasPrefix(id, kind+".") {
			same = append(same, id)
		}
	}
	return same
}

// visit evaluates an entry after the entries that it refers to. path has the entries that wait for it.
func (m *module) visit(e *entry, path []*entry) {
	switch e.state {
	case closed:
		return
	case open:
		var names []string
		for _, p := range append(path[slices.Index(path, e):], e) {
			names = append(names, p.id)
		}
		m.l.fail(headOf(e.component.Block), "remove one of these references", "%s refers to itself: %s", e.id, strings.Join(names, " -> "))
		e.failed = true
		e.exports = placeholders(e.component.Name, e.kind.exports)
		return
	}
	e.state = open
	for _, l := range e.links {
		m.visit(l.to, append(path, e))
	}
	e.state = closed
	m.run(e)
}

// run evaluates an entry and makes its nodes.
func (m *module) run(e *entry) {
	c := e.component
	m.l.components = append(m.l.components, c)
	if e.failed {
		return
	}
	for _, l := range e.links {
		c.References = append(c.References, l.reference)
		for i := range l.to.component.Exports {
			if x := &l.to.component.Exports[i]; l.reference.Export == "" || x.Name == l.reference.Export {
				x.Reached = true
			}
		}
	}
	defer func() {
		if e.failed {
			e.exports = placeholders(c.Name, e.kind.exports)
		}
		if e.failed && (c.Name == "local.file" || c.Name == "remote.http") && m.l.Unset { // nothing can stand for an unknown text
			e.exports = nil
		}
	}()
	b := &builder{module: m, entry: e}
	d := &decoding{l: m.l, scope: m.scope(e), unknown: m.unknown, refused: e.kind.refused}
	switch {
	case e.custom != nil:
		e.exports = b.instance(d)
	default:
		args := e.kind.args()
		if d.decode(c.Block, args) {
			c.Args = args
			b.warnNoEffect(c.Block.Body, "")
			before := m.l.errors
			e.exports = e.kind.build(b, args)
			e.failed = e.failed || m.l.errors > before
		} else {
			e.failed = true
		}
	}
}

// placeholders returns values for the exports of a component that has errors, so that the errors of components
// that refer to it are found, too. It returns nil if the exports of the component are unknown.
func placeholders(component string, exports []string) map[string]any {
	if _, ok := components()[component]; !ok {
		return nil
	}
	all := map[string]any{}
	for _, name := range exports {
		switch {
		case name == "receiver" && strings.HasPrefix(component, "loki."):
			all[name] = LogsReceiver{Nodes: []string{unsetLogs}}
		case name == "receiver":
			all[name] = MetricsReceiver{Nodes: []string{unsetMetrics}}
		case name == "rules":
			all[name] = Rules{}
		case name == "content":
			all[name] = alloytypes.OptionalSecret{}
		default:
			all[name] = []Target{{Node: unsetTargets}}
		}
	}
	return all
}

// unknown reports whether a value depends on a component that has errors.
func (m *module) unknown(e ast.Expr) bool {
	for _, c := range chains(e) {
		if c.parts[0] == "argument" && m.custom != nil {
			if len(c.parts) < 2 {
				return true
			}
			if _, ok := m.given[c.parts[1]]; !ok {
				return true
			}
			continue
		}
		to, rest := m.find(c.parts)
		switch {
		case to == nil:
			if c.parts[0] != "module_path" && !(*vm.Scope)(nil).IsStdlibIdentifiers(c.parts[0]) {
				return true
			}
			if members, ok := standardLibrary[c.parts[0]]; ok && len(c.parts) > 1 && !slices.Contains(members, c.parts[1]) {
				return true
			}
		case to.exports == nil && (to.failed || len(to.kind.exports) > 0):
			return true
		case len(rest) > 0 && !slices.Contains(to.kind.exports, rest[0]):
			return true
		}
	}
	return false
}

// scope returns what an entry's expressions may refer to.
func (m *module) scope(e *entry) *vm.Scope {
	all := maps.Clone(m.variables)
	if m.custom != nil {
		arguments := map[string]any{}
		for name, value := range m.given {
			arguments[name] = map[string]any{"value": value}
		}
		all["argument"] = arguments
	}
	all["module_path"] = filepath.Clean(m.path)
	for _, l := range e.links {
		put(all, strings.Split(l.to.id, "."), l.to.exports)
	}
	return vm.NewScope(all)
}

// put sets a value in maps of maps.
func put(into map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		next, ok := into[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			into[name] = next
		}
		into = next
	}
	into[path[len(path)-1]] = value
}
