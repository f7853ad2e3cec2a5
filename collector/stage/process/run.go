package process

import (
	"context"
	"maps"
	"slices"

	"lighter"
	"lighter/collector/stage"
)

// op is a compiled stage, which all logs share.
type op interface {
	// run applies the stage to an entry and returns the index of the next op. It returns none if the entry
	// goes no further: the entry was dropped or held back, or the op has called runner.run with the
	// results.
	run(r *runner, x *entry, at int) (next int)
}

const none = -1

// entry is an entry that passes through the stages.
type entry struct {
	lighter.Entry // its Stream is node's
	batch         *lighter.Batch
	read          int64 // the original Time, as the batch came with it

	node    *node
	changes []change // of its labels since node

	values []value          // extracted values with names that the program knows, by slot
	others map[string]value // other extracted values, if the program reads any

	first, last int // numbers of the batches of its lines
}

// set sets an extracted value.
func (r *runner) set(x *entry, name string, v value) {
	if slot, ok := r.slots[name]; ok {
		x.values[slot] = v
	} else if r.all {
		if x.others == nil {
			x.others = map[string]value{}
		}
		x.others[name] = v
	}
}

// each calls f with the extracted values, sorted by name.
func (r *runner) each(x *entry, f func(name string, v value)) {
	for _, slot := range r.sortedSlots {
		if v := x.values[slot]; v.kind != absent {
			f(r.names[slot], v)
		}
	}
	if len(x.others) > 0 {
		for _, name := range slices.Sorted(maps.Keys(x.others)) {
			f(name, x.others[name])
		}
	}
}

// labelsToValues sets the extracted values from a label set.
func (r *runner) labelsToValues(x *entry, n *node) {
	for slot, v := range n.values {
		if v.kind != absent {
			x.values[slot] = v
		}
	}
	if !r.all {
		return
	}
	for i := range n.labels {
		if l := &n.labels[i]; !r.hasSlot(l.name) {
			r.set(x, l.name, value{text, l.value})
		}
	}
}

func (r *runner) hasSlot(name string) bool { _, ok := r.slots[name]; return ok }

// runner runs a program for one log.
type runner struct {
	*program
	shared *Pipeline
	way    Way
	log    stage.Log
	next   lighter.Logs

	ctx   context.Context // of the current call
	err   error           // why the current call must end
	batch *lighter.Batch  // the current batch; nil while held entries run
	no    int             // number of batch, or of the last one

	out      []lighter.Entry // output of batch
	earlier  *lighter.Batch  // takes entries whose lines all came in held batches; nil if there are none
	straddle bool            // batch contains an entry with lines of a held batch

	streams []*lighter.Stream // those that the batch came with, and then those of its entries
	bases   []*node           // of the streams that the batch came with
	list    int               // number of the list of streams

	nodes      map[string]*node
	origins    map[*lighter.Stream]*node
	remembered int

	open   []*group // oldest first
	groups map[groupKey]*group

	clocks map[clockKey]*clock // of stage.timestamp
	kept   map[clockKey]clock  // as of the end of the newest held batch; nil if unchanged

	spare  []*entry
	key    []byte
	buffer []byte
	found  [][]byte
	spans  []span
	work   uint64
}

func newRunner(p *Pipeline, log stage.Log, next lighter.Logs) *runner {
	return &runner{program: p.program, shared: p, log: log, next: next,
		nodes: map[string]*node{}, origins: map[*lighter.Stream]*node{}, groups: map[groupKey]*group{}, clocks: map[clockKey]*clock{}}
}

// take returns an entry to use; give returns it.
func (r *runner) take() *entry {
	if n := len(r.spare); n > 0 {
		x := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return x
	}
	return &entry{values: make([]value, len(r.names))}
}

func (r *runner) give(x *entry) {
	clear(x.values)
	clear(x.changes)
	clear(x.others)
	*x = entry{values: x.values, changes: x.changes[:0], others: x.others}
	r.spare = append(r.spare, x)
}

// process runs the entries of a batch, and leaves those in it that are to be handed on.
func (r *runner) process(ctx context.Context, b *lighter.Batch) error {
	r.ctx, r.err = ctx, nil
	r.no++
	r.begin(b)
	r.out = r.out[:0]
	x := r.take()
	for i := range b.Entries {
		x.Entry, x.batch = b.Entries[i], b
		x.read, x.first, x.last = x.Time, r.no, r.no
		x.node = r.bases[x.Stream]
		x.changes = x.changes[:0]
		copy(x.values, x.node.values)
		if r.all {
			clear(x.others)
			r.labelsToValues(x, x.node)
		}
		r.run(x, 0)
		if r.err != nil {
			return r.err
		}
	}
	r.give(x)
	return nil
}

// deliver moves the output into the batch.
func (r *runner) deliver() {
	b := r.batch
	clear(b.Entries)
	b.Entries = append(b.Entries[:0], r.out...)
	clear(r.out)
	if len(r.streams) > len(b.Streams) {
		b.Streams = r.listed()
	}
	r.batch = nil
}

// run runs an entry from an op on, and adds it to the output if it passes the last one.
func (r *runner) run(x *entry, at int) {
	for at < len(r.ops) {
		if at = r.ops[at].run(r, x, at); at == none || r.err != nil {
			return
		}
	}
	n := r.resolve(x)
	x.Stream = r.indexOf(n)
	if x.last == r.no && r.batch != nil {
		r.out = append(r.out, x.Entry)
		r.straddle = r.straddle || x.first < r.no
		return
	}
	r.earlier.Entries = append(r.earlier.Entries, x.Entry)
}

// input returns a stage's input: the line, or a value that source names. ok is false if there is no such
// text.
func (x *entry) input(source int) (_ []byte, ok bool) {
	if source == line {
		return x.Line, true
	}
	return x.values[source].text()
}

// line is a pseudo-slot that means the line.
const line = -1

// keep copies what a stage has made in the runner's buffer to the memory of the entry's batch.
func (r *runner) keep(x *entry, made []byte) []byte {
	if r.buffer = made[:0]; cap(made) > maxBuffer {
		r.buffer = nil // do not retain the memory of one long line
	}
	if len(made) == 0 {
		return nil
	}
	return x.batch.Copy(made)
}

const maxBuffer = 16 << 10

// drop counts an entry that a stage drops.
func (r *runner) drop(reason *counter) int {
	r.count(reason, 1)
	return none
}

// count adds n to a counter, unless another way does.
func (r *runner) count(c *counter, n int) {
	if !r.way.Again {
		c.add(float64(n))
	}
}

// copyTo copies from to x, into the memory of b.
func (r *runner) copyTo(x, from *entry, b *lighter.Batch) {
	values, changes, others := x.values, x.changes, x.others
	*x = *from
	x.values, x.changes, x.others, x.batch = values, append(changes[:0], from.changes...), others, b
	copy(x.values, from.values)
	if len(from.others) > 0 {
		if x.others == nil {
			x.others = map[string]value{}
		}
		maps.Copy(x.others, from.others)
	}
	fields := from.batch.Fields(&from.Entry)
	x.Fields = 0
	if b == from.batch {
		b.SetFields(&x.Entry, slices.Clone(fields))
		return
	}
	for i := range x.values {
		x.values[i].bytes = copied(b, x.values[i].bytes)
	}
	for name, v := range x.others {
		v.bytes = copied(b, v.bytes)
		x.others[name] = v
	}
	for i := range x.changes {
		x.changes[i].value = copied(b, x.changes[i].value)
	}
	for _, f := range fields {
		b.AddField(&x.Entry, f.Name, copied(b, f.Value))
	}
}

func copied(b *lighter.Batch, p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	return b.Copy(p)
}

// Append implements lighter.Logs.
func (r *runner) Append(ctx context.Context, b *lighter.Batch) error {
	if err := r.process(ctx, b); err != nil {
		return err
	}
	r.deliver()
	return r.next.Append(ctx, b)
}
