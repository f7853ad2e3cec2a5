package lighter

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
)

// Stream is a label set whose entries are delivered in order. There is one value per label set and source,
// made once and shared by all its batches, so that what is derived from the labels is derived once instead
// of for each line.
type Stream struct {
	Labels labels.Labels // immutable; of the labels that begin with __, only LabelTenant counts

	rendered atomic.Pointer[rendered]
}

type rendered struct {
	by   any
	text string
	next *rendered
}

// NewStream returns the stream of a label set.
func NewStream(l labels.Labels) *Stream { return &Stream{Labels: l} }

// Text returns the labels in Loki's form, {a="b", c="d"}, together with those of external that the stream
// does not have. It caches the result for by, which identifies the caller (a pointer of its own) and
// thereby external.
func (s *Stream) Text(by any, external labels.Labels) string {
	head := s.rendered.Load()
	for r := head; r != nil; r = r.next {
		if r.by == by {
			return r.text
		}
	}
	text := renderLabels(s.Labels, external)
	s.rendered.CompareAndSwap(head, &rendered{by, text, head}) // after a lost race the text is only formatted twice
	return text
}

func renderLabels(own, external labels.Labels) string {
	b := labels.NewBuilder(external)
	own.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
	var sb strings.Builder
	sb.WriteByte('{')
	first := true
	b.Labels().Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, "__") || l.Value == "" {
			return
		}
		if !first {
			sb.WriteString(", ")
		}
		first = false
		sb.WriteString(l.Name)
		sb.WriteByte('=')
		sb.WriteString(strconv.Quote(l.Value))
	})
	sb.WriteByte('}')
	return sb.String()
}

// Entry is a time and a line of one stream.
type Entry struct {
	Time   int64  // Unix nanoseconds
	Line   []byte // a slice of memory that the batch owns; without the newline
	Stream int32  // index into the batch's Streams
	Fields int32  // set by Batch.SetFields; 0 means none
}

// Field is a name and a value of an entry's structured metadata.
type Field struct {
	Name  string
	Value []byte // a slice of memory that the batch owns
}

// Batch is the result of one read of a log: entries in the order of the log, whose lines are slices of
// memory that the batch owns.
//
// A batch is held and released. Its maker calls Begin, which holds it, and hands it to a Logs. Whoever
// keeps the batch longer than the call of Append must hold it for that time. The last release calls the
// function passed to Begin, and thereby acknowledges the batch: all of its entries are delivered, refused
// for good, or safe on disk.
//
// Only one holder at a time may change a batch: its maker, and then one stage after another.
type Batch struct {
	Streams []*Stream
	Entries []Entry
	Bytes   int // memory that the batch retains, for the budget

	// Origin is where the batch was read from, or nil if that keeps no state, or a stage made the batch.
	Origin Origin

	fields [][]Field // of the entries that have fields
	memory []byte    // the present block that Copy appends to

	holders atomic.Int32
	refused atomic.Int32
	leftOut atomic.Int32
	done    func()
	after   []*Batch // released once this batch is acknowledged
}

// Origin is the place in a log that a batch was read from.
type Origin interface {
	// SetState sets the state of the log's stages at the end of the batch, such as their counts. The bytes
	// are written together with the position, and must not be changed afterwards. The batch must not be
	// acknowledged yet.
	SetState(state []byte)
	// Rewind makes the next reader of the log read it again from the beginning of the batch. Nobody may
	// read the log when Rewind is called. Later batches of the log are read again, too.
	Rewind()
}

// Begin holds the batch for its maker. When the last holder has released it, done is called once, in that
// holder's goroutine. done may be nil.
func (b *Batch) Begin(done func()) {
	b.done = done
	b.refused.Store(0)
	b.leftOut.Store(0)
	b.holders.Store(1)
}

// Hold holds the batch until one more call of Done. Only a holder of the batch, or the callee of an Append
// that has not returned, may call it.
func (b *Batch) Hold() { b.holders.Add(1) }

// Done releases the batch. The caller must not read it afterwards.
func (b *Batch) Done() {
	if b.holders.Add(-1) != 0 {
		return
	}
	after := b.after // done may reset the batch
	b.after = nil
	if b.done != nil {
		b.done()
	}
	for _, other := range after {
		other.Done()
	}
}

// After releases others, in order, once the batch is acknowledged. The caller holds the batch and each of
// the others, and gives up its hold on the others. It is for a stage that has moved entries of the others
// into this batch.
func (b *Batch) After(others []*Batch) { b.after = append(b.after, others...) }

// SetState sets the state of the log's stages at the end of the batch, if the batch has an Origin. The
// caller holds the batch.
func (b *Batch) SetState(state []byte) {
	if b.Origin != nil {
		b.Origin.SetState(state)
	}
}

// Refuse records that a holder's backend has refused some of the entries for good. The holder calls it
// before Done.
func (b *Batch) Refuse(entries int) { b.refused.Add(int32(entries)) }

// Refused returns the number of entries that backends have refused for good. An entry that several of them
// refuse may count several times, but the result never exceeds the number of entries. It is final when the
// last holder has released the batch.
func (b *Batch) Refused() int { return min(int(b.refused.Load()), len(b.Entries)) }

// LeaveOut records that some entries were removed from the batch because no backend would take them. Only a
// caller that may change the batch may call it.
func (b *Batch) LeaveOut(entries int) { b.leftOut.Add(int32(entries)) }

// Undelivered returns the number of entries that no backend has: those of Refused, and those that were left
// out. It is final when the last holder has released the batch.
func (b *Batch) Undelivered() int { return b.Refused() + int(b.leftOut.Load()) }

// copyBytes is the size of the blocks of memory that Copy appends to.
const copyBytes = 4 << 10

// Copy returns a copy of p in memory that the batch owns, for new content of a line. The copy is valid as
// long as the batch.
func (b *Batch) Copy(p []byte) []byte {
	if len(p) > cap(b.memory)-len(b.memory) {
		b.memory = make([]byte, 0, max(copyBytes, len(p)))
	}
	if len(b.memory) == 0 && len(p) > 0 { // the block is new, or Reset has kept it
		b.Bytes += cap(b.memory)
	}
	n := len(b.memory)
	b.memory = append(b.memory, p...)
	return b.memory[n:len(b.memory):len(b.memory)]
}

// Fields returns the structured metadata of an entry of the batch.
func (b *Batch) Fields(e *Entry) []Field {
	if e.Fields == 0 {
		return nil
	}
	return b.fields[e.Fields-1]
}

// SetFields replaces the structured metadata of an entry of the batch. The batch keeps fields.
func (b *Batch) SetFields(e *Entry, fields []Field) {
	switch {
	case e.Fields != 0:
		b.fields[e.Fields-1] = fields
	case len(fields) > 0:
		b.fields = append(b.fields, fields)
		e.Fields = int32(len(b.fields))
	}
}

// AddField adds a field to an entry's structured metadata. The batch keeps value.
func (b *Batch) AddField(e *Entry, name string, value []byte) {
	if e.Fields == 0 {
		if n := len(b.fields); n < cap(b.fields) {
			b.fields = b.fields[:n+1] // reuse the memory of an earlier entry's fields
			b.fields[n] = b.fields[n][:0]
		} else {
			b.fields = append(b.fields, nil)
		}
		e.Fields = int32(len(b.fields))
	}
	own := &b.fields[e.Fields-1]
	*own = append(*own, Field{name, value})
}

// Reset empties the batch so that its memory can be reused. Nobody may hold it.
func (b *Batch) Reset() {
	clear(b.Entries)
	for _, own := range b.fields {
		clear(own)
	}
	b.Streams, b.Entries, b.Bytes, b.Origin = nil, b.Entries[:0], 0, nil
	b.fields, b.memory = b.fields[:0], b.memory[:0]
	if cap(b.memory) > copyBytes {
		b.memory = nil // do not retain the memory of one long line
	}
	b.done = nil
}

// Logs takes batches of log entries: a stage, or an endpoint. It is safe for concurrent use.
type Logs interface {
	// Append takes a batch that its caller holds. It blocks while there is no room, or until ctx ends, and
	// then returns ctx's error. If it returns an error, it has taken nothing. It holds the batch itself for
	// as long as it needs it.
	Append(ctx context.Context, b *Batch) error
}
