package push

import (
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/incoming"
)

// taken is the entries of a request, in batches, as they are decoded.
type taken struct {
	s       *Server
	tenant  string
	lease   *lease
	batches []*lighter.Batch
	entries int
	refused []string // what is wrong with streams that are left out; only the first few
	bad     int      // number of those streams

	stream *lighter.Stream // of the entries that follow; nil: they are left out
	index  int32           // of stream in the last batch; -1 if it is not there yet
}

// maxRefused is how many of the streams that are left out an answer names.
const maxRefused = 3

// begin says that the entries that follow are of a stream.
func (t *taken) begin(l labels.Labels, relabelled bool) {
	if relabelled {
		b := labels.NewBuilder(l)
		t.s.o.Labels.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
		t.stream = t.s.streams.Get(b.Labels(), t.tenant)
	} else {
		t.stream = t.s.plain.Get(l, t.tenant)
	}
	t.index = -1
}

// refuse says that the entries that follow are left out, and why.
func (t *taken) refuse(err error) {
	t.stream = nil
	t.bad++
	if len(t.refused) < maxRefused {
		t.refused = append(t.refused, err.Error())
	}
}

// add adds an entry, which owns line and fields.
func (t *taken) add(at int64, line []byte, fields []lighter.Field) error {
	if t.stream == nil {
		return nil
	}
	size := len(line) + incoming.EntryBytes
	for _, f := range fields {
		size += len(f.Name) + len(f.Value) + incoming.FieldBytes
	}
	if !t.lease.grow(int64(size - len(line))) { // the line is counted as a part of the body
		return errBusy
	}
	var b *lighter.Batch
	if n := len(t.batches); n > 0 {
		b = t.batches[n-1]
	}
	if b == nil || b.Bytes > 0 && b.Bytes+size > batchBytes {
		b = &lighter.Batch{}
		t.batches, t.index = append(t.batches, b), -1
	}
	if t.index < 0 {
		t.index = int32(len(b.Streams))
		b.Streams = append(b.Streams, t.stream)
	}
	b.Entries = append(b.Entries, lighter.Entry{Time: at, Line: line, Stream: t.index})
	b.SetFields(&b.Entries[len(b.Entries)-1], fields)
	b.Bytes += size
	t.entries++
	return nil
}

// time returns the time of an entry that has given its own, Unix nanoseconds, if it has.
func (t *taken) time(own int64, has bool) int64 {
	if has && t.s.o.UseIncomingTimestamp {
		return own
	}
	return t.s.clock.Next()
}

// err returns what is wrong with the streams that were left out, nil if there are none.
func (t *taken) err() error {
	if t.bad == 0 {
		return nil
	}
	text := strings.Join(t.refused, "; ")
	if more := t.bad - len(t.refused); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return fmt.Errorf("%d of the streams were left out and the others taken: %s", t.bad, text)
}
