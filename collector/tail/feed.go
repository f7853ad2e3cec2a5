package tail

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"lighter"
	"lighter/collector/position"
)

// ErrFull says that a batch is handed on, but that the Sink had no room for longer than
// Patience, and that Full was called.
var ErrFull = errors.New("there was no room for what the log holds")

// Feed hands on the lines of one log. A position moves only when the Sink reports what is
// before it acknowledged: a crash repeats lines, with the same labels, time and bytes, and
// never skips one.
type Feed struct {
	State  State
	Logger *slog.Logger // names the container
	Full   func()       // is called when the Sink has been full for Patience, before it is waited for; may be nil
	Chunk  *Chunk       // that lines are read into; nil once handed on

	o       Options
	cursor  *position.Cursor
	streams []*lighter.Stream // stdout's and stderr's; nil: its lines are left out

	skipper position.Skipper
	pos     position.Position // after the last line
	first   int64             // time of the first line since the last hand-on; 0 if there is none
	bytes   int               // of the lines since then
	lines   int               // that came, over all
	gap     gap
}

// gap says what is known of missing lines before the next one.
type gap int

const (
	mayBe  gap = iota // the Skipper tells
	none              // the next line follows the last
	proven            // lines are missing
)

// NewFeed returns the Feed of a container's log. Lines of a stream that is nil are passed over.
func NewFeed(c *lighter.Container, out, err *lighter.Stream, o Options) *Feed {
	return &Feed{o: o, cursor: o.Positions.Cursor(c.ID), streams: []*lighter.Stream{out, err}, Logger: o.Logger.With("container", c.Name)}
}

// Close says that nothing will be handed on any more. Call it when Run returns.
func (f *Feed) Close() { f.cursor.Done() }

// Start gives a log that is seen for the first time its beginning.
func (f *Feed) Start() { f.cursor.Start(position.Position{Time: f.o.Begin}) }

// From returns where reading goes on: after the last line handed on. The hint is zero if it
// was handed on by who knows of no file.
func (f *Feed) From() (position.Position, position.Hint) { return f.cursor.Read(), f.cursor.Hint() }

// Begin makes ready for reading from there. The Skipper leaves out the lines before it.
func (f *Feed) Begin(s position.Skipper) {
	f.skipper, f.pos, f.first, f.bytes, f.gap = s, f.cursor.Read(), 0, 0, mayBe
}

// Gap says that lines are missing between the last line and the next.
func (f *Feed) Gap() { f.gap = proven }

// Last returns the position after the last line, handed on or not.
func (f *Feed) Last() position.Position { return f.pos }

// Lines returns how many lines have come, over all, those before the beginning among them.
func (f *Feed) Lines() int { return f.lines }

// Line takes a line into the batch. It is an Emit.
func (f *Feed) Line(at int64, stream int, line []byte, own bool) {
	if f.take(at, stream, line, own) {
		f.pos = f.pos.After(at)
	}
}

// Doubtful is Line for a line that may have come before: the position does not count it.
func (f *Feed) Doubtful(at int64, stream int, line []byte, own bool) {
	if f.take(at, stream, line, own) {
		f.pos = f.pos.AfterDoubtful(at)
	}
}

// take takes a line into the batch, and reports whether it comes after the beginning.
func (f *Feed) take(at int64, stream int, line []byte, own bool) bool {
	f.lines++
	if f.skipper.Skip(at) {
		return false
	}
	if f.gap != none {
		f.report(at)
	}
	if f.first == 0 {
		f.first = at
	}
	if f.streams[stream] == nil {
		return true
	}
	f.bytes += len(line)
	f.Chunk.batch.Entries = append(f.Chunk.batch.Entries, lighter.Entry{Time: at, Line: line, Stream: int32(stream)})
	if own {
		f.Chunk.own += cap(line)
	}
	return true
}

// report says, before the line of time at, whether lines are missing before it.
func (f *Feed) report(at int64) {
	if f.gap == proven || f.skipper.Lost() {
		f.o.Metrics.gaps.Inc()
		f.Logger.Error("lines are lost: the log was rotated past the place where reading went on. Give the container's log driver a larger max-size or max-file",
			"from", time.Unix(0, f.pos.Time).UTC(), "to", time.Unix(0, at).UTC(), "gap", time.Duration(at-f.pos.Time))
	}
	f.gap = none
}

// HandOn gives the batch to the Sink, which owns the chunk from then on, and notes the
// position after it, which hint describes. It does nothing if there is no line. waiting is the
// time of the oldest line that is not whole yet, 0 if there is none: it is read again from the
// position. When ctx ends first, nothing is handed on or noted.
func (f *Feed) HandOn(ctx context.Context, waiting int64, hint position.Hint) error {
	if f.first == 0 {
		return nil
	}
	upTo := f.pos
	if waiting != 0 {
		upTo = upTo.Reaching(waiting)
	}
	c, first, bytes := f.Chunk, f.first, f.bytes
	f.first, f.bytes = 0, 0
	n := len(c.batch.Entries)
	acked, undo := f.cursor.BeginAt(first, upTo, hint)
	if n == 0 {
		acked()
		return nil
	}
	c.batch.Streams = f.streams
	c.batch.Bytes = cap(c.Buf) + c.own + n*entryBytes
	done := func() {
		acked()
		f.State.delivered(n)
		f.o.Buffers.Put(c)
	}
	err := f.append(ctx, &c.batch, done)
	if err != nil && err != ErrFull {
		undo()
		return err
	}
	f.Chunk = nil
	f.o.Metrics.read.Add(float64(n))
	f.o.Metrics.bytes.Add(float64(bytes))
	if breaks, after := f.State.handedOn(n, f.pos.Time); breaks > 0 {
		f.Logger.Info("the log is read again", "breaks", breaks, "after", after)
	}
	return err
}

// append hands b to the Sink. It returns ErrFull if b is handed on, but only after Full.
func (f *Feed) append(ctx context.Context, b *lighter.Batch, done func()) error {
	patient, cancel := context.WithTimeout(ctx, f.o.Patience)
	defer cancel()
	err := f.o.Sink.Append(patient, b, done)
	if err == nil || patient.Err() == nil || ctx.Err() != nil {
		return err
	}
	if f.Full != nil {
		f.Full()
	}
	f.State.Set(Waiting)
	if err := f.o.Sink.Append(ctx, b, done); err != nil {
		return err
	}
	return ErrFull
}

// Drop gives the chunk back, if there is one, with the lines in it.
func (f *Feed) Drop() {
	if f.Chunk != nil {
		f.o.Buffers.Put(f.Chunk)
		f.Chunk = nil
	}
}
