package process

import (
	"encoding/binary"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// node is a label set that entries of a log have had between two stages or at the end, with cached results.
type node struct {
	labels []label // sorted by name
	set    labels.Labels
	hash   uint64
	stream *lighter.Stream // nil until an entry with it is handed on
	values []value         // initial extracted values, by slot

	derived map[string]*node // results of sets of changes, by key
	after   []*node          // results of stages that depend on labels only, by stage; nil if unknown
	selects []selection      // by the selectors, by stage

	list  int   // number of the runner's list of streams that index refers to
	index int32 // of stream in that list
}

type label struct {
	name  string
	text  string
	value []byte // text
}

// selection is whether the selector of a stage.match selects a label set.
type selection uint8

const (
	undecided selection = iota
	selected
	notSelected
)

// gone is the node of entries that are dropped because of their labels.
var gone = &node{} // read-only

// change is a label in which an entry differs from its node.
type change struct {
	name    string
	value   []byte
	removed bool
}

// maxNodes is about how many label sets a log remembers.
const maxNodes = 2000

// newNode returns a new node for a label set.
func (r *runner) newNode(set labels.Labels) *node {
	n := &node{set: set, hash: set.Hash(), list: -1}
	set.Range(func(l labels.Label) { n.labels = append(n.labels, label{l.Name, l.Value, []byte(l.Value)}) })
	if ops := len(r.ops); ops > 0 {
		n.after, n.selects = make([]*node, ops), make([]selection, ops)
	}
	n.values = make([]value, len(r.names))
	for _, l := range n.labels {
		if slot, ok := r.slots[l.name]; ok {
			n.values[slot] = value{text, l.value}
		}
	}
	return n
}

// get returns the value of a label.
func (n *node) get(name string) (value []byte, ok bool) {
	for i := range n.labels {
		if l := &n.labels[i]; l.name == name {
			return l.value, true
		}
	}
	return nil, false
}

// getText returns the value of a label, or "".
func (n *node) getText(name string) string {
	for i := range n.labels {
		if l := &n.labels[i]; l.name == name {
			return l.text
		}
	}
	return ""
}

// label returns the value of an entry's label.
func (x *entry) label(name string) (value []byte, ok bool) {
	for i := range x.changes {
		if c := &x.changes[i]; c.name == name {
			return c.value, !c.removed
		}
	}
	return x.node.get(name)
}

// setLabel sets a label of an entry. The value is kept until the next call of resolve.
func (x *entry) setLabel(name string, value []byte) {
	for i := range x.changes {
		if c := &x.changes[i]; c.name == name {
			c.value, c.removed = value, false
			return
		}
	}
	if old, ok := x.node.get(name); ok && string(old) == string(value) {
		return
	}
	x.changes = append(x.changes, change{name: name, value: value})
}

// removeLabel removes a label of an entry.
func (x *entry) removeLabel(name string) {
	for i := range x.changes {
		if c := &x.changes[i]; c.name == name {
			c.value, c.removed = nil, true
			return
		}
	}
	if _, ok := x.node.get(name); ok {
		x.changes = append(x.changes, change{name: name, removed: true})
	}
}

// resolve applies the changes of an entry's labels to its node and returns the resulting node.
func (r *runner) resolve(x *entry) *node {
	if len(x.changes) == 0 {
		return x.node
	}
	key := r.key[:0]
	for i := range x.changes {
		c := &x.changes[i]
		key = append(binary.AppendUvarint(key, uint64(len(c.name))), c.name...)
		if c.removed {
			key = binary.AppendUvarint(key, 0)
		} else {
			key = append(binary.AppendUvarint(key, uint64(len(c.value))+1), c.value...)
		}
	}
	r.key = key
	n := x.node.derived[string(key)]
	if n == nil {
		b := labels.NewBuilder(x.node.set)
		for _, c := range x.changes {
			if c.removed {
				b.Del(c.name)
			} else {
				b.Set(c.name, string(c.value))
			}
		}
		n = r.nodeOf(b.Labels(), x.node)
		if x.node.derived == nil {
			x.node.derived = map[string]*node{}
		}
		x.node.derived[string(key)] = n
		r.remembered++
	}
	x.node = n
	clear(x.changes)
	x.changes = x.changes[:0]
	return n
}

// nodeOf returns the node of a label set that was derived from the node from.
func (r *runner) nodeOf(set labels.Labels, from *node) *node {
	if labels.Equal(set, from.set) {
		return from
	}
	key := set.Bytes(nil)
	n := r.nodes[string(key)]
	if n == nil {
		n = r.newNode(set)
		r.nodes[string(key)] = n
		r.remembered++
	}
	return n
}

// through applies a stage that depends on labels only to an entry, and returns the entry's new node.
func (r *runner) through(x *entry, at int, change func(*labels.Builder) bool) *node {
	n := r.resolve(x)
	to := n.after[at]
	if to == nil {
		b := labels.NewBuilder(n.set)
		if change(b) {
			to = r.nodeOf(b.Labels(), n)
		} else {
			to = gone
		}
		n.after[at] = to
	}
	x.node = to
	return to
}

// begin prepares the runner for the entries of a batch.
func (r *runner) begin(b *lighter.Batch) {
	r.batch = b
	if r.remembered > maxNodes {
		r.nodes, r.origins, r.remembered = map[string]*node{}, map[*lighter.Stream]*node{}, 0
	} else if len(r.streams) <= len(r.bases)+maxListed && slices.Equal(r.streams[:len(r.bases)], b.Streams) {
		return
	}
	r.streams = append(make([]*lighter.Stream, 0, len(b.Streams)+4), b.Streams...)
	r.list++
	r.bases = r.bases[:0]
	for i, s := range b.Streams {
		n := r.origins[s]
		if n == nil {
			n = r.baseOf(s)
			r.origins[s] = n
			r.remembered++
		}
		n.list, n.index = r.list, int32(i)
		r.bases = append(r.bases, n)
	}
}

// maxListed is how many streams the list of streams may have, besides those that came with batches, before
// it is started anew.
const maxListed = 64

// baseOf returns the node of a stream that came with a batch.
func (r *runner) baseOf(s *lighter.Stream) *node {
	if s == nil {
		s = &lighter.Stream{}
	}
	n := r.newNode(s.Labels)
	n.stream = s
	if key := s.Labels.Bytes(nil); r.nodes[string(key)] == nil {
		r.nodes[string(key)] = n
	}
	return n
}

// indexOf returns the index of a node's stream in the runner's list of streams.
func (r *runner) indexOf(n *node) int32 {
	if n.list == r.list {
		return n.index
	}
	if n.stream == nil {
		n.stream = lighter.NewStream(n.set)
	}
	n.list, n.index = r.list, int32(len(r.streams))
	r.streams = append(r.streams, n.stream)
	return n.index
}

// listed returns the streams for a batch of the entries that have been handed on. The batch keeps the
// slice.
func (r *runner) listed() []*lighter.Stream { return r.streams[:len(r.streams):len(r.streams)] }
