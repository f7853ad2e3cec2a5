package alloy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/vm"
)

// declaration is a custom component: a declare block of the configuration or of an imported file.
type declaration struct {
	name     string
	block    *ast.BlockStmt
	path     string    // the directory that module_path returns
	registry *registry // the custom components that the block can use
	imports  []string  // the files whose imports lead to the block
}

// exports returns the names of the exports of the custom component.
func (d *declaration) exports() []string { return d.labels("export") }

func (d *declaration) labels(block string) []string {
	var names []string
	for _, stmt := range d.block.Body {
		if b, ok := stmt.(*ast.BlockStmt); ok && b.GetBlockName() == block {
			names = append(names, b.Label)
		}
	}
	return names
}

// registry has the custom components that a module can use.
type registry struct {
	declared map[string]*declaration
	imported map[string]*registry // by the label of the import
	outer    *registry            // of the module around a declare; nil for a file
	unread   bool                 // its file could not be read completely, so it may have any name
}

func newRegistry(outer *registry) *registry {
	return &registry{declared: map[string]*declaration{}, imported: map[string]*registry{}, outer: outer}
}

// unreadRegistry returns the registry of a file that could not be read.
func unreadRegistry() *registry {
	r := newRegistry(nil)
	r.unread = true
	return r
}

// find returns the custom component that the name of a block means, or nil.
func (r *registry) find(name string) *declaration {
	namespace, inner, isImported := strings.Cut(name, ".")
	for ; r != nil; r = r.outer {
		if !isImported {
			if d, ok := r.declared[name]; ok {
				return d
			}
		} else if from, ok := r.imported[namespace]; ok {
			return from.declared[inner]
		}
	}
	return nil
}

// mayHave reports whether a name that find does not find may be in a file that could not be read.
func (r *registry) mayHave(name string) bool {
	namespace, _, isImported := strings.Cut(name, ".")
	for ; r != nil; r = r.outer {
		if from, ok := r.imported[namespace]; ok && isImported {
			return from.unread
		}
	}
	return false
}

// names returns the names of all custom components that find finds.
func (r *registry) names() []string {
	var all []string
	for ; r != nil; r = r.outer {
		for name := range r.declared {
			all = append(all, name)
		}
		for namespace, from := range r.imported {
			for name := range from.declared {
				all = append(all, namespace+"."+name)
			}
		}
	}
	return all
}

func (m *module) declare(b *ast.BlockStmt) {
	_, twice := m.registry.declared[b.Label]
	_, isComponent := components()[b.Label]
	_, isBlock := configBlocks()[b.Label]
	switch {
	case b.Label == "":
		m.l.fail(headOf(b), `write declare "name" { … }`, "the declare has no label")
	case twice:
		m.l.fail(headOf(b), "give one of them another label", "the component %q is declared twice", b.Label)
	case isComponent || isBlock || (*vm.Scope)(nil).IsStdlibIdentifiers(b.Label) || b.Label == "argument":
		m.l.fail(headOf(b), "give it another label", "a custom component cannot be called %q, because that name is taken", b.Label)
	default:
		m.registry.declared[b.Label] = &declaration{name: b.Label, block: b, path: m.path, registry: m.registry, imports: m.imports}
	}
}

// ImportFile are the arguments of import.file. A change of the file is noticed whatever the detector is.
type ImportFile struct {
	Filename      string        `alloy:"filename,attr"`
	Detector      string        `alloy:"detector,attr,optional"`
	PollFrequency time.Duration `alloy:"poll_frequency,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *ImportFile) SetToDefault() {
	*a = ImportFile{Detector: "fsnotify", PollFrequency: time.Minute}
}

// Validate reports the errors that Alloy reports.
func (a *ImportFile) Validate() error { return checkDetector(a.Detector) }

// The limits of imports and custom components.
const (
	maxImports    = 16   // how deep imports may be nested
	maxWithin     = 32   // how deep custom components may be nested
	maxComponents = 2000 // in total
)

func (m *module) importFile(b *ast.BlockStmt) {
	if b.Label == "" {
		m.l.fail(headOf(b), `write import.file "name" { … }`, "the import.file has no label")
		return
	}
	if _, twice := m.registry.imported[b.Label]; twice {
		m.l.fail(headOf(b), "give one of them another label", "%q is imported twice", b.Label)
		return
	}
	m.registry.imported[b.Label] = unreadRegistry()
	walkArguments(b.Body, "", func(_ string, a *ast.AttributeStmt) {
		for _, c := range chains(a.Value) {
			m.check(c)
		}
	})
	e := &entry{component: &Component{Block: b}}
	var args ImportFile
	d := &decoding{l: m.l, scope: m.scope(e), unknown: m.unknown}
	if !d.decode(b, &args) {
		return
	}
	name := filepath.Clean(args.Filename)
	switch {
	case slices.Contains(m.imports, name):
		m.l.fail(headOf(b), "", "%s imports itself, directly or through another file", args.Filename)
	case len(m.imports) > maxImports || len(m.l.files) > maxImports*maxImports:
		m.l.fail(headOf(b), "", "there are too many imports")
	default:
		m.registry.imported[b.Label] = m.l.module(b, args.Filename, append(slices.Clip(m.imports), name))
	}
}

// module reads what can be imported from a file or a directory.
func (l *loader) module(b *ast.BlockStmt, name string, imports []string) *registry {
	before := l.errors
	if _, err := os.Stat(name); err != nil {
		if _, err := l.ReadFile(name); err != nil {
			l.complain(placeIn(b, "filename"), "filename", valueOf(b, "filename"), hintForReading(err), cannotRead(name, err))
			return unreadRegistry()
		}
	}
	in := &module{l: l, registry: newRegistry(nil), variables: l.variables(), path: name, imports: imports}
	for _, f := range l.read(name) {
		in.path = directoryOf(name, f.Name)
		for _, stmt := range f.Body {
			inner, ok := stmt.(*ast.BlockStmt)
			switch {
			case !ok:
				l.fail(spanOf(stmt), "", "an imported file can have only declare and import blocks, not arguments")
			case inner.GetBlockName() == "declare":
				in.declare(inner)
			case inner.GetBlockName() == "import.file":
				in.importFile(inner)
			case in.refusedBlock(inner, inner.GetBlockName()):
			default:
				l.fail(headOf(inner), "put it into a declare, and use the declared component", "an imported file can have only declare and import blocks, not %q", inner.GetBlockName())
			}
		}
	}
	in.registry.unread = l.errors > before
	return in.registry
}

// ArgumentBlock are the arguments of an argument block.
type ArgumentBlock struct {
	Optional bool   `alloy:"optional,attr,optional"`
	Comment  string `alloy:"comment,attr,optional"`
	Default  any    `alloy:"default,attr,optional"`
}

// ExportBlock are the arguments of an export block.
type ExportBlock struct {
	Value any `alloy:"value,attr"`
}

// classifyBoundary implements classify for argument and export blocks.
func (m *module) classifyBoundary(e *entry) bool {
	b, name := e.component.Block, e.component.Name
	switch {
	case m.custom == nil:
		m.l.fail(headOf(b), "put it into the declare that it belongs to", "the block %q is outside of a declare", name)
		return false
	case b.Label == "":
		m.l.fail(headOf(b), "write "+name+` "name" { … }`, "the block %q has no label", name)
		return false
	}
	if name == "argument" {
		e.kind = kindOf(func(b *builder, a *ArgumentBlock) map[string]any { return nil })
	} else {
		e.kind = kindOf(func(b *builder, a *ExportBlock) map[string]any {
			m.exported[e.component.Label] = a.Value
			return nil
		})
	}
	return true
}

// checkArgument reports what is wrong with a name that begins with argument.
func (m *module) checkArgument(c chain) {
	if m.custom == nil {
		m.l.fail(spanOf(c.expr), "", "only a declare has arguments")
		return
	}
	names := m.custom.labels("argument")
	switch {
	case len(c.parts) < 2 || !slices.Contains(names, c.parts[1]):
		m.l.fail(spanOf(c.expr), didYouMean(strings.Join(c.parts[1:], "."), names), "the declare %q has no argument of that name", m.custom.name)
	case len(c.parts) == 2:
		m.l.fail(spanOf(c.expr), "write "+c.String()+".value", "%s is a block, not the value of the argument", c.String())
	}
}

// instance evaluates a custom component, and returns what it exports.
func (b *builder) instance(d *decoding) map[string]any {
	e := b.entry
	block := e.component.Block
	if slices.Contains(b.within, e.custom) {
		d.l.fail(headOf(block), "", "the custom component %q contains itself", e.custom.name)
		e.failed = true
		return nil
	}
	if len(b.within) > maxWithin || len(d.l.components) > maxComponents {
		d.l.fail(headOf(block), "", "there are too many components in custom components")
		e.failed = true
		return nil
	}
	before := d.l.errors
	given, whole := b.arguments(d)
	if d.l.errors > before {
		e.failed = true
		return nil
	}
	inner := &module{
		l:         d.l,
		id:        e.component.ID,
		alloyID:   b.alloyID(),
		path:      e.custom.path,
		variables: d.l.variables(),
		registry:  newRegistry(e.custom.registry),
		custom:    e.custom,
		given:     given,
		exported:  map[string]any{},
		within:    append(slices.Clip(b.within), e.custom),
		imports:   e.custom.imports,
	}
	inner.collect(e.custom.block.Body)
	inner.evaluate()
	e.failed = d.l.errors > before || !whole
	return inner.exported
}

// arguments returns the arguments of a custom component, and reports whether all of them are known.
func (b *builder) arguments(d *decoding) (given map[string]any, whole bool) {
	block, custom := b.entry.component.Block, b.entry.custom
	names := custom.labels("argument")
	given = map[string]any{}
	seen := map[string]bool{}
	for _, stmt := range block.Body {
		a, ok := stmt.(*ast.AttributeStmt)
		if !ok {
			d.l.fail(spanOf(stmt), didYouMean(stmtName(stmt), names), "a custom component takes arguments, not blocks")
			continue
		}
		name := a.Name.Name
		switch {
		case !slices.Contains(names, name):
			d.l.fail(spanOf(a.Name), didYouMean(name, names), "%s has no argument %q", custom.name, name)
		case seen[name]:
			d.l.fail(spanOf(a.Name), "remove one of them", "the argument %q is set twice", name)
		case d.unknown(a.Value):
			d.partial = true
		default:
			var v any
			if err := evaluate(a.Value, d.scope, &v); err != nil {
				message, at := errorText(err, spanOf(a.Value))
				if d.l.complain(at, name, a.Value, "", d.l.mask(message)) {
					d.partial = true
				}
			}
			given[name] = v
		}
		seen[name] = true
	}
	for _, stmt := range custom.block.Body {
		a, ok := stmt.(*ast.BlockStmt)
		if !ok || a.GetBlockName() != "argument" || a.Label == "" || seen[a.Label] {
			continue
		}
		inner := &decoding{l: d.l, scope: vm.NewScope(d.l.variables()), unknown: func(ast.Expr) bool { return false }}
		var args ArgumentBlock
		switch {
		case !inner.decode(a, &args):
		case !args.Optional:
			d.l.fail(headOf(block), howToWrite(custom.name, a.Label), "%s needs the argument %q", custom.name, a.Label)
		default:
			given[a.Label] = args.Default
		}
	}
	return given, !d.partial
}
