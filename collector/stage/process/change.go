package process

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// capture sets an extracted value, and also a label if label is true.
func (r *runner) capture(x *entry, name string, v []byte, label bool) {
	r.set(x, name, value{text, v})
	if label && utf8.Valid(v) {
		x.setLabel(name, v)
	}
}

// named is the name of something that a stage makes, and the name of its source.
type named struct {
	name string
	from string
	slot int // of from, if that is an extracted value
}

// labelsStage is stage.labels.
type labelsStage struct {
	values   []named
	metadata bool // the source is structured metadata
}

func (o *labelsStage) run(r *runner, x *entry, at int) int {
	for i := range o.values {
		n := &o.values[i]
		var v []byte
		var ok bool
		if o.metadata {
			v, ok = x.field(n.from)
		} else {
			v, ok = x.values[n.slot].text()
		}
		if ok && utf8.Valid(v) {
			x.setLabel(n.name, v)
		}
	}
	return at + 1
}

// field returns the value of a field of an entry's structured metadata.
func (x *entry) field(name string) (value []byte, ok bool) {
	for _, f := range x.batch.Fields(&x.Entry) {
		if f.Name == name {
			return f.Value, true
		}
	}
	return nil, false
}

// setField sets a field of an entry's structured metadata.
func (x *entry) setField(name string, value []byte) {
	fields := x.batch.Fields(&x.Entry)
	for i := range fields {
		if fields[i].Name == name {
			fields[i].Value = value
			return
		}
	}
	x.batch.AddField(&x.Entry, name, value)
}

// pureLabels is stage.static_labels, stage.label_drop or stage.label_keep. Its result depends on the label
// set only.
type pureLabels struct{ change func(*labels.Builder) bool }

func (o pureLabels) run(r *runner, x *entry, at int) int {
	r.through(x, at, o.change)
	return at + 1
}

func staticLabels(values map[string]*string) pureLabels {
	return pureLabels{func(b *labels.Builder) bool {
		for name, v := range values {
			if v != nil && *v != "" {
				b.Set(name, *v)
			}
		}
		return true
	}}
}

func labelDrop(names []string) pureLabels {
	return pureLabels{func(b *labels.Builder) bool { b.Del(names...); return true }}
}

func labelKeep(names []string) pureLabels {
	return pureLabels{func(b *labels.Builder) bool { b.Keep(names...); return true }}
}

// metadataStage is stage.structured_metadata.
type metadataStage struct {
	values []named
	names  *regexp.Regexp // of extracted values and labels; may be nil
}

func (o *metadataStage) run(r *runner, x *entry, at int) int {
	for i := range o.values {
		if v, ok := x.values[o.values[i].slot].text(); ok && utf8.Valid(v) {
			x.setField(o.values[i].name, v)
		}
	}
	if o.names != nil {
		r.each(x, func(name string, v value) {
			if t, ok := v.text(); ok && o.names.MatchString(name) && utf8.Valid(t) {
				x.setField(name, t)
			}
		})
	}
	for i := range o.values {
		if v, ok := x.label(o.values[i].from); ok {
			x.setField(o.values[i].name, v)
		}
	}
	for i := range o.values {
		x.removeLabel(o.values[i].from)
	}
	if o.names != nil {
		for _, l := range r.resolve(x).labels {
			if o.names.MatchString(l.name) {
				x.setField(l.name, l.value)
				x.removeLabel(l.name)
			}
		}
	}
	return at + 1
}

// metadataDrop is stage.structured_metadata_drop.
type metadataDrop struct{ names []string }

func (o *metadataDrop) run(_ *runner, x *entry, at int) int {
	fields := x.batch.Fields(&x.Entry)
	if slices.ContainsFunc(fields, o.drops) {
		x.batch.SetFields(&x.Entry, slices.DeleteFunc(fields, o.drops))
	}
	return at + 1
}

func (o *metadataDrop) drops(f lighter.Field) bool { return slices.Contains(o.names, f.Name) }

// output is stage.output.
type output struct{ source int }

func (o *output) run(_ *runner, x *entry, at int) int {
	if v, ok := x.values[o.source].text(); ok {
		x.Line = v
	}
	return at + 1
}

// templateStage is stage.template.
type templateStage struct {
	source   int
	name     string // of the source
	template *template.Template
	reads    []named // values that the template may read
	all      bool    // it may read any value
}

func (o *templateStage) run(r *runner, x *entry, at int) int {
	data := map[string]any{}
	if o.all {
		r.each(x, func(name string, v value) {
			if t, ok := v.text(); ok {
				data[name] = string(t)
			}
		})
	} else {
		for i := range o.reads {
			if t, ok := x.values[o.reads[i].slot].text(); ok {
				data[o.reads[i].name] = string(t)
			}
		}
	}
	if t, ok := x.values[o.source].text(); ok {
		data["Value"] = string(t)
	}
	data["Entry"] = string(x.Line)
	out := boundedBuffer{r.buffer[:0]}
	if err := o.template.Execute(&out, data); err != nil {
		return at + 1
	}
	if len(out.bytes) == 0 {
		x.values[o.source] = value{}
	} else {
		x.values[o.source] = value{text, r.keep(x, out.bytes)}
	}
	return at + 1
}

// replace is stage.replace.
type replace struct {
	source   int
	expr     *regexp.Regexp
	groups   []namedGroup
	template *template.Template
	reads    []named
	all      bool
}

func (o *replace) run(r *runner, x *entry, at int) int {
	input, ok := x.input(o.source)
	if !ok {
		return at + 1
	}
	matches := o.expr.FindAllSubmatchIndex(input, -1)
	if matches == nil {
		return at + 1
	}
	data := map[string]string{}
	if o.all {
		r.each(x, func(name string, v value) {
			if t, ok := v.text(); ok {
				data[name] = string(t)
			}
		})
	} else {
		for i := range o.reads {
			if t, ok := x.values[o.reads[i].slot].text(); ok {
				data[o.reads[i].name] = string(t)
			}
		}
	}
	result := boundedBuffer{r.buffer[:0]}
	done := 0 // bytes of input that have been copied to result
	made := map[string]string{}
	for _, match := range matches {
		for i := 2; i < len(match); i += 2 {
			if match[i] < 0 {
				continue
			}
			captured := string(input[match[i]:match[i+1]])
			data["Value"] = captured
			var out boundedBuffer
			if o.template.Execute(&out, data) != nil {
				return at + 1
			}
			made[captured] = string(out.bytes)
			if match[i] < done {
				continue // a group inside one that has been replaced
			}
			for _, part := range [][]byte{input[done:match[i]], out.bytes} {
				if _, err := result.Write(part); err != nil {
					return at + 1
				}
			}
			done = match[i+1]
		}
	}
	if _, err := result.Write(input[done:]); err != nil {
		return at + 1
	}
	var named []value // from before the input is replaced, because they are parts of it
	for _, g := range o.groups {
		var captured string
		if start := matches[0][2*g.index]; start >= 0 {
			captured = string(input[start:matches[0][2*g.index+1]])
		}
		v, ok := made[captured]
		if !ok {
			named = append(named, value{})
			continue
		}
		named = append(named, value{text, copied(x.batch, []byte(v))})
	}
	if o.source == line {
		x.Line = r.keep(x, result.bytes)
	} else {
		x.values[o.source] = value{text, r.keep(x, result.bytes)}
	}
	for i, g := range o.groups {
		if named[i].kind != absent {
			r.set(x, g.name, named[i])
		}
	}
	return at + 1
}

// pack is stage.pack.
type pack struct {
	labels []named // sorted by name
	ingest bool
	now    func() int64
}

func (o *pack) run(r *runner, x *entry, at int) int {
	made := append(r.buffer[:0], '{')
	for i := range o.labels {
		v, ok := x.values[o.labels[i].slot].text()
		if !ok {
			continue
		}
		made = append(appendJSON(made, []byte(o.labels[i].name)), ':')
		made = append(appendJSON(made, v), ',')
		x.removeLabel(o.labels[i].name)
	}
	made = append(made, `"_entry":`...)
	made = append(appendJSON(made, x.Line), '}')
	x.Line = r.keep(x, made)
	if o.ingest {
		x.Time = o.now()
	}
	return at + 1
}

// appendJSON appends a text as JSON.
func appendJSON(b, s []byte) []byte {
	quoted, err := json.Marshal(borrow(s))
	if err != nil {
		return append(b, `""`...)
	}
	return append(b, quoted...)
}

// tenant is stage.tenant.
type tenant struct {
	source int // line if it has none
	label  string
	value  []byte
}

func (o *tenant) run(_ *runner, x *entry, at int) int {
	id := o.value
	switch {
	case o.source != line:
		id, _ = x.values[o.source].text()
	case o.label != "":
		id, _ = x.label(o.label)
	}
	if len(id) > 0 {
		x.setLabel(lighter.LabelTenant, id)
	}
	return at + 1
}

// splitJSON is stage.split_json.
type splitJSON struct{ source int }

func (o *splitJSON) run(r *runner, x *entry, at int) int {
	input, ok := x.input(o.source)
	start := skipSpace(input, 0)
	if !ok || start == len(input) || input[start] != '[' {
		return at + 1
	}
	var elements []span
	s := jsonScanner{line: input}
	if end := s.array(start, &elements); end < 0 || skipSpace(input, end) != len(input) {
		return at + 1
	}
	for i, e := range elements {
		one := input[e.start:e.end]
		if i == len(elements)-1 {
			x.Line = one
			return at + 1
		}
		child := r.take()
		r.copyTo(child, x, x.batch)
		child.Line = one
		r.run(child, at+1)
		r.give(child)
		if r.err != nil {
			return none
		}
	}
	return none
}

// decolorize is stage.decolorize.
type decolorize struct{}

func (decolorize) run(r *runner, x *entry, at int) int {
	rest := x.Line
	i := escape(rest)
	if i < 0 {
		return at + 1
	}
	made := r.buffer[:0]
	for ; i >= 0; i = escape(rest) {
		end := escapeEnd(rest[i:])
		made = append(made, rest[:i]...)
		if end == 0 {
			end = 1
			made = append(made, rest[i])
		}
		rest = rest[i+end:]
	}
	x.Line = r.keep(x, append(made, rest...))
	return at + 1
}

// escape returns the index of the first character that may begin an escape sequence, or -1.
func escape(b []byte) int {
	i := bytes.IndexByte(b, 0x1b)
	if j := bytes.Index(b, []byte("\u009b")); j >= 0 && (i < 0 || j < i) {
		return j
	}
	return i
}

// escapeEnd returns the length of the escape sequence that b begins with, or 0.
func escapeEnd(b []byte) int {
	i := 1
	if b[0] != 0x1b {
		i = len("\u009b")
	}
	for i < len(b) && strings.IndexByte("[]()#;?", b[i]) >= 0 {
		i++
	}
	// A text terminated by a bell, such as a window title.
	for j := i; j < len(b); j++ {
		if c := b[j]; c == 0x07 {
			return j + 1
		} else if c != ';' && !isNameByte(c, false) || c == '_' {
			break
		}
	}
	// Numbers of up to four digits separated by semicolons, and a final character, which may be a digit.
	lastDigit, n := 0, 0
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case '0' <= c && c <= '9' && n < 4:
			n++
			lastDigit = i + 1
		case c == ';' && lastDigit > 0:
			n = 0
		case isFinal(c):
			return i + 1
		default:
			return lastDigit
		}
	}
	return lastDigit
}

func isFinal(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'P' || strings.IndexByte("RZcfghijklmnqry=><~", c) >= 0
}
