package lighter

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
)

// Stream is a label set whose entries are delivered in order. There is one value a
// label set and source, made once and shared by all its batches, so that what is
// derived from the labels is derived once and not for each line.
type Stream struct {
	Labels labels.Labels // without __ labels; not changed

	rendered atomic.Pointer[rendered]
}

type rendered struct {
	by   any
	text string
	next *rendered
}

// NewStream returns the stream of a label set.
func NewStream(l labels.Labels) *Stream { return &Stream{Labels: l} }

// Text returns the labels as Loki reads them, {a="b", c="d"}, together with those of
// external that the stream does not have itself. It remembers the answer for by, which
// names the caller (a pointer of its own) and with it what external is.
func (s *Stream) Text(by any, external labels.Labels) string {
	head := s.rendered.Load()
	for r := head; r != nil; r = r.next {
		if r.by == by {
			return r.text
		}
	}
	text := renderLabels(s.Labels, external)
	s.rendered.CompareAndSwap(head, &rendered{by, text, head}) // a lost race only renders twice
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
}

// Batch is what one read of a log gave: entries in the order of the log, their lines
// slices of memory that the batch owns. It is filled by its maker, then handed to a
// sink and not touched again. Every endpoint that took it calls Release once; the last
// one ends it.
type Batch struct {
	Streams []*Stream
	Entries []Entry
	Bytes   int // memory that the batch keeps alive, for the budget

	refs atomic.Int32
	done func()
}

// Retain says how many Release calls end the batch, and what then happens: done is
// called once, from the goroutine of the last Release. It may be nil.
func (b *Batch) Retain(n int, done func()) {
	b.done = done
	b.refs.Store(int32(n))
}

// Release says that one holder is finished with the batch: its entries are
// acknowledged, refused for good, or safe on disk. The holder reads none of it afterwards.
func (b *Batch) Release() {
	if b.refs.Add(-1) == 0 && b.done != nil {
		b.done()
	}
}
