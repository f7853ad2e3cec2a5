package push

import (
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/incoming"
)

// taken collects the entries of a request in batches while the request is decoded.
type taken struct {
	s       *Server
	tenant  string
	lease   *lease
	batches []*lighter.Batch
	entries int
	refused []string // why streams are left out; only the first few reasons
	bad     int      // number of streams that are left out

	buffer int // size of the buffer that the lines are parts of; 0 if each line has memory of its own
	lines  int // bytes of the lines
	beside int // bytes that the entries cost beside their lines

	stream *lighter.Stream // the stream of the entries that follow; nil if they are left out
	index  int32           // of stream in the last batch; -1 if it is not there yet
}

// memory returns how many bytes the entries keep alive until the last of them is acknowledged. Lines that are
// parts of one buffer keep all of it alive, also when a rule has dropped most of what is in it.
func (t *taken) memory() int64 {
	if len(t.batches) == 0 {
		return 0
	}
	return int64(max(t.buffer, t.lines) + t.beside)
}

// maxRefused is how many of the streams that are left out a response names.
const maxRefused = 3

// begin begins a stream with the labels l: the entries that are added from now on belong to it. If relabelled is
// true, the source's own labels and its relabel rules are applied to l before.
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

// refuse begins a stream whose entries are left out, because of err.
func (t *taken) refuse(err error) {
	t.stream = nil
	t.bad++
	if len(t.refused) < maxRefused {
		t.refused = append(t.refused, err.Error())
	}
}

// add adds an entry of the current stream. The caller does not change line and fields afterwards.
func (t *taken) add(at int64, line []byte, fields []lighter.Field) error {
	if t.stream == nil {
		return nil
	}
	beside := incoming.EntryBytes
	for _, f := range fields {
		beside += len(f.Name) + len(f.Value) + incoming.FieldBytes
	}
	if err := t.lease.grow(int64(beside)); err != nil { // the line is counted already, with the body that it came in
		return err
	}
	t.lines += len(line)
	t.beside += beside
	size := len(line) + beside
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

// time returns the time that an entry gets, in Unix nanoseconds. own is the time that the sender has given it, if
// has is true.
func (t *taken) time(own int64, has bool) int64 {
	if has && t.s.o.UseIncomingTimestamp {
		return own
	}
	return t.s.clock.Next()
}

// err returns why streams were left out; nil if none were.
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
