package loki

import (
	"encoding/binary"
	"math/bits"

	"lighter"
)

// Fields of logproto.PushRequest (grafana/loki, pkg/push/push.proto). A request contains streams; a stream
// contains labels and entries; an entry contains a timestamp, a line and structured metadata, which
// consists of pairs of a name and a value; a timestamp contains seconds and nanoseconds.
// is pairs of a name and a value; a timestamp seconds and nanoseconds.
const (
	tagStreams     = 1<<3 | 2
	tagLabels      = 1<<3 | 2
	tagEntries     = 2<<3 | 2
	tagTimestamp   = 1<<3 | 2
	tagLine        = 2<<3 | 2
	tagMetadata    = 3<<3 | 2
	tagName        = 1<<3 | 2
	tagValue       = 2<<3 | 2
	tagSeconds     = 1 << 3
	tagNanoseconds = 2 << 3
)

// encoder encodes push requests. A test and a fuzz target compare it with push.PushRequest, which allocates
// for each entry; encoder does not. It reuses its memory for the next request, and is not safe for
// concurrent use.
type encoder struct {
	streams []encodedStream
	index   map[string]int // of the current request: labels' text to index in streams
	local   []int32        // of the current batch: its streams to indexes in streams
}

type encodedStream struct {
	labels string
	size   int // of its message
	refs   []ref
}

// ref refers to an entry of a batch without copying it.
type ref struct {
	*lighter.Entry
	batch *lighter.Batch
}

// encode writes the push request with the entries of batches to out. It has a stream for each label set, in
// the order of their first entries, except that the largest comes last (see largest). The entries of a
// stream are in the order of the batches. text formats a stream's labels.
func (e *encoder) encode(out *compressed, batches []*lighter.Batch, text func(*lighter.Stream) string) {
	out.begin(e.gather(batches, text))
	last := largest(len(e.streams), func(i int) int { return e.streams[i].size })
	for i := range e.streams {
		if i != last {
			e.streams[i].encode(out)
		}
	}
	if len(e.streams) > 0 {
		e.streams[last].encode(out)
	}
	out.end()
	e.reset()
}

// encode writes the stream as a field.
func (s *encodedStream) encode(out *compressed) {
	out.raw = append(out.raw, tagStreams)
	out.raw = binary.AppendUvarint(out.raw, uint64(s.size))
	out.raw = append(out.raw, tagLabels)
	out.raw = binary.AppendUvarint(out.raw, uint64(len(s.labels)))
	out.raw = append(out.raw, s.labels...)
	for _, r := range s.refs {
		out.raw = r.append(out.raw)
		if len(out.raw) >= pieceBytes {
			out.compress()
		}
	}
}

// largest returns the index of the largest of n streams, which must be the last of its request. If Loki
// refuses a stream over its limit, but stores the last stream of the request, it responds with 204 as if it
// had stored all. The largest stream is the one most likely over its limit.
func largest(n int, size func(i int) int) int {
	found, most := 0, 0
	for i := range n {
		if s := size(i); s >= most {
			found, most = i, s
		}
	}
	return found
}

// gather sorts the entries by stream and computes the sizes, which precede the data. It returns the size of
// the request.
func (e *encoder) gather(batches []*lighter.Batch, text func(*lighter.Stream) string) (size int) {
	if e.index == nil {
		e.index = map[string]int{}
	}
	for _, b := range batches {
		e.local = e.local[:0]
		for range b.Streams {
			e.local = append(e.local, -1)
		}
		for n := range b.Entries {
			entry := &b.Entries[n]
			i := e.local[entry.Stream]
			if i < 0 {
				i = e.stream(text(b.Streams[entry.Stream]))
				e.local[entry.Stream] = i
			}
			s := &e.streams[i]
			r := ref{entry, b}
			s.refs = append(s.refs, r)
			s.size += fieldSize(r.size())
		}
	}
	for i := range e.streams {
		size += fieldSize(e.streams[i].size)
	}
	return size
}

// stream returns the index of the request's stream with these labels, and adds the stream if necessary.
func (e *encoder) stream(labels string) int32 {
	if i, ok := e.index[labels]; ok {
		return int32(i)
	}
	i := len(e.streams)
	if i < cap(e.streams) {
		e.streams = e.streams[:i+1] // reuse the refs of an earlier request
	} else {
		e.streams = append(e.streams, encodedStream{})
	}
	e.streams[i].labels = labels
	e.streams[i].size = fieldSize(len(labels))
	e.index[labels] = i
	return int32(i)
}

// keepRefs is how many refs are kept for the next request, in all streams together: those of a request of 1
// MiB with lines of 100 bytes, which take 160 KiB of memory.
const keepRefs = 10_000

// reset drops the references to the request's lines, but keeps the encoder's own memory.
func (e *encoder) reset() {
	kept := 0
	for i := range e.streams {
		s := &e.streams[i]
		clear(s.refs)
		if kept += cap(s.refs); kept > keepRefs {
			s.refs = nil
		}
		*s = encodedStream{refs: s.refs[:0]}
	}
	e.streams = e.streams[:0]
	clear(e.index)
}

// append appends the entry as a field.
func (r ref) append(dst []byte) []byte {
	seconds, nanos := split(r.Time)
	stamp := stampSize(seconds, nanos)
	dst = append(dst, tagEntries)
	dst = binary.AppendUvarint(dst, uint64(r.size()))
	dst = append(dst, tagTimestamp)
	dst = binary.AppendUvarint(dst, uint64(stamp))
	if seconds != 0 {
		dst = append(dst, tagSeconds)
		dst = binary.AppendUvarint(dst, uint64(seconds))
	}
	if nanos != 0 {
		dst = append(dst, tagNanoseconds)
		dst = binary.AppendUvarint(dst, uint64(nanos))
	}
	dst = appendString(dst, tagLine, r.Line)
	for _, f := range r.batch.Fields(r.Entry) {
		dst = append(dst, tagMetadata)
		dst = binary.AppendUvarint(dst, uint64(stringSize(len(f.Name))+stringSize(len(f.Value))))
		dst = appendString(dst, tagName, f.Name)
		dst = appendString(dst, tagValue, f.Value)
	}
	return dst
}

// appendString appends a text field, which protobuf omits if it is empty.
func appendString[T string | []byte](dst []byte, tag byte, s T) []byte {
	if len(s) == 0 {
		return dst
	}
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// size returns the size of the entry's message.
func (r ref) size() int {
	n := fieldSize(stampSize(split(r.Time))) + stringSize(len(r.Line))
	for _, f := range r.batch.Fields(r.Entry) {
		n += fieldSize(stringSize(len(f.Name)) + stringSize(len(f.Value)))
	}
	return n
}

// fieldSize returns the size of a field of n bytes including its tag and length.
func fieldSize(n int) int { return 1 + sizeUvarint(n) + n }

// stringSize returns the size of a text field.
func stringSize(n int) int {
	if n == 0 {
		return 0
	}
	return fieldSize(n)
}

func stampSize(seconds, nanos int64) int {
	n := 0
	if seconds != 0 {
		n += 1 + sizeUvarint(int(seconds))
	}
	if nanos != 0 {
		n += 1 + sizeUvarint(int(nanos))
	}
	return n
}

// split returns a time as seconds and nanoseconds in protobuf's form, in which the latter are never
// negative.
func split(t int64) (seconds, nanos int64) {
	seconds, nanos = t/1e9, t%1e9
	if nanos < 0 {
		seconds, nanos = seconds-1, nanos+1e9
	}
	return seconds, nanos
}

func sizeUvarint(n int) int { return (bits.Len64(uint64(n)|1) + 6) / 7 }
