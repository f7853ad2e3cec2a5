package tail

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/stage"
)

// ErrFull means that a batch was handed on, but only after Logs had had no room for longer than Patience,
// so that Full was called.
var ErrFull = errors.New("there was no room for what the log holds")

// Feed hands on the lines of one log. The log's position moves only when all lines before it are
// acknowledged: a crash repeats lines, with the same labels, time and bytes, and never skips one.
type Feed struct {
	State  *State       // outlives the Feed, and refers to nothing of it
	Logger *slog.Logger // names the container
	Full   func()       // called when Logs has had no room for Patience, while HandOn still waits; may be nil
	Chunk  *Chunk       // the memory that lines are read into; nil after it is handed on

	o       Options
	cursor  *position.Cursor
	streams []*lighter.Stream // stdout and stderr; lines of a nil stream are dropped

	skipper position.Skipper
	pos     position.Position // after the last line
	first   int64             // time of the first line since the last hand-on, or 0
	bytes   int               // of the lines since then
	lines   int               // number of lines read, including skipped ones
	gap     gap               // before the next line
	anew    bool              // pos is not valid until the next line
	paused  bool              // Interrupted was called after the last call of Reading
	damaged bool              // if lines are missing before the next one, the log is damaged
}

// gap is whether lines are missing before the next one.
type gap int

const (
	unknownGap gap = iota // the Skipper reports it once the next line has come
	noGap                 // the next line follows the last one
	certainGap            // lines are missing
)

// NewFeed returns the Feed of a container's log. It drops the lines of a stream that is nil.
func NewFeed(c *lighter.Container, out, err *lighter.Stream, o Options) *Feed {
	return &Feed{State: &State{}, o: o, cursor: o.Positions.Cursor(o.KeyPrefix + c.ID), streams: []*lighter.Stream{out, err}, Logger: o.Logger.With("container", c.Name)}
}

// NewLogFeed returns the Feed of a log that is not a container's and has one stream, Stdout. The key of its
// position is KeyPrefix followed by key. attrs identify the log in log lines.
func NewLogFeed(key string, stream *lighter.Stream, o Options, attrs ...any) *Feed {
	return &Feed{State: &State{}, o: o, cursor: o.Positions.Cursor(o.KeyPrefix + key), streams: []*lighter.Stream{stream, nil}, Logger: o.Logger.With(attrs...)}
}

// Cursor returns the cursor of the log.
func (f *Feed) Cursor() *position.Cursor { return f.cursor }

// Close declares that nothing more will be handed on. Call it when Run returns. The next Feed of the log
// reads lines again that a stage still holds back.
func (f *Feed) Close() {
	if h, ok := f.o.Logs.(stage.Holder); ok {
		h.Drop()
	}
	f.cursor.Done()
}

// End hands on the lines that stages hold back, because the log has ended. It blocks while there is no
// room, and returns only ctx's error.
func (f *Feed) End(ctx context.Context) error {
	if h, ok := f.o.Logs.(stage.Holder); ok {
		return h.Release(ctx)
	}
	return nil
}

// Interrupted declares that the log cannot be read for now, so that the clocks of stages stand still.
func (f *Feed) Interrupted() {
	if k, ok := f.o.Logs.(stage.Clocked); ok && !f.paused {
		f.paused = true
		k.Pause()
	}
}

// Reading declares that all lines that the log had when it was opened have been read, and that new lines
// are read as they are written. It may be called repeatedly from then on.
func (f *Feed) Reading() {
	if k, ok := f.o.Logs.(stage.Clocked); ok && f.paused {
		f.paused = false
		k.Resume()
	}
}

// Start sets the position where a new log begins.
func (f *Feed) Start() { f.cursor.Start(position.Position{Time: f.o.Begin}) }

// From returns the position where reading continues: after the last line handed on. The bookmark is zero if
// that line was not read from a file.
func (f *Feed) From() (position.Position, position.Bookmark) {
	return f.cursor.Read(), f.cursor.Bookmark()
}

// Begin prepares the Feed for reading from there. s skips the lines before the position.
func (f *Feed) Begin(s position.Skipper) {
	f.skipper, f.pos, f.first, f.bytes, f.gap, f.anew, f.damaged = s, f.cursor.Read(), 0, 0, unknownGap, false, false
}

// BeginAnew prepares the Feed for reading from the first line of the log without skipping any. It is used
// after the log's clock was set back, if it is unknown which lines are before the position: it is better to
// send a line twice than not at all.
func (f *Feed) BeginAnew() {
	f.Begin(position.SkipLines(0))
	f.anew = true
	if !f.pos.Unordered() {
		f.gap = certainGap // no line after the position was read
	}
	f.Logger.Warn("the clock was set back, and the line after which reading went on is gone: all that the log holds is sent again")
}

// Damaged declares that the log is damaged where reading continues. If the next line does not follow the
// last one, the damage is logged as the reason. Call it after Begin.
func (f *Feed) Damaged() {
	f.damaged = true
	if !f.pos.HasLines() {
		f.gap = certainGap // there is no earlier line for the Skipper to compare with
	}
}

// Last returns the position after the last line, handed on or not.
func (f *Feed) Last() position.Position { return f.pos }

// Lines returns the number of lines read so far, including skipped ones.
func (f *Feed) Lines() int { return f.lines }

// Skip reports whether the next line of the log, whose time is at, is before the position.
func (f *Feed) Skip(at int64) bool {
	f.lines++
	return f.skipper.Skip(at)
}

// Lost reports whether lines before the position have disappeared from the log. This is known only after
// the first line that was not skipped.
func (f *Feed) Lost() bool { return f.skipper.Lost() }

// Add adds a line to the batch and moves the position past it.
func (f *Feed) Add(l *Line) {
	f.add(l)
	f.pos = f.pos.After(l.Time)
}

// AddDoubtful is Add for a line that may have been read before. The position does not count it, but a later
// reader starts early enough to read it again. If the position counted a line that is not in the log, the
// next reader would skip another one.
func (f *Feed) AddDoubtful(l *Line) {
	f.add(l)
	f.pos = f.pos.Reaching(l.Time)
}

// AddUnended is Add for the last line of a container's run, which consists of messages and has no newline.
func (f *Feed) AddUnended(l *Line, messages position.Unended) {
	f.add(l)
	f.pos = f.pos.AfterUnended(l.Time, l.Stream, messages)
}

func (f *Feed) add(l *Line) {
	if f.gap != noGap {
		f.report(l.Time)
	}
	if f.first == 0 {
		f.first = l.Time
	}
	if l.Cut {
		f.o.Metrics.Truncated.Inc()
	}
	if f.streams[l.Stream] == nil {
		return
	}
	f.bytes += len(l.Text)
	f.Chunk.batch.Entries = append(f.Chunk.batch.Entries, lighter.Entry{Time: l.Time, Line: l.Text, Stream: int32(l.Stream)})
	if !l.Borrowed {
		f.Chunk.own += cap(l.Text)
	}
}

// report reports lines that are missing before the first line, whose time is at.
func (f *Feed) report(at int64) {
	if f.gap == certainGap || f.skipper.Lost() {
		f.o.Metrics.gaps.Inc()
		why := "lines are lost: the log was rotated, or truncated, past the position where reading went on. If the log driver rotates it, give it a larger max-size or max-file"
		if f.damaged {
			why = "lines are lost: a part of the log file is damaged, and the Engine cannot read past it. Mount the Engine's log files, so that the agent reads them itself and loses the damaged lines alone"
		}
		f.Logger.Error(why, "from", time.Unix(0, f.pos.Time).UTC(), "to", time.Unix(0, at).UTC(), "gap", time.Duration(at-f.pos.Time))
		f.State.lost(why)
	}
	f.gap = noGap
	if f.anew {
		f.pos, f.anew = position.Position{}, false
	}
}

// Empty reports whether no line has been added since the last hand-on.
func (f *Feed) Empty() bool { return f.first == 0 }

// HandOn gives the batch to Logs and records the position after it; bookmark helps to find that position
// again. HandOn blocks while Logs has no room, and calls Full when that has lasted for Patience. If it
// returns nil or ErrFull, the batch was handed on, Logs owns the chunk, and Chunk is nil; if the batch has
// no line of a wanted stream, only the position has moved and the chunk stays. Any other error is ctx's:
// nothing was handed on or recorded, and the caller must Drop the chunk. HandOn does nothing if there is no
// line. waiting is the time of the oldest incomplete line in Unix nanoseconds, or 0; reading again begins
// with that line.
func (f *Feed) HandOn(ctx context.Context, waiting int64, bookmark position.Bookmark) error {
	if f.Empty() {
		return nil
	}
	upTo := f.pos
	if waiting != 0 {
		upTo = upTo.Reaching(waiting)
	}
	c, first, bytes := f.Chunk, f.first, f.bytes
	f.first, f.bytes = 0, 0
	n := len(c.batch.Entries)
	mark := f.cursor.Mark(first, upTo, bookmark)
	if n == 0 {
		mark.Ack()
		return nil
	}
	c.batch.Streams = f.streams
	c.batch.Bytes = cap(c.Buf) + c.own + n*entryBytes
	c.batch.Origin = mark
	c.batch.Begin(func() {
		mark.Ack()
		f.State.delivered(n - c.batch.Undelivered())
		f.o.Buffers.Put(c)
	})
	err := f.append(ctx, &c.batch)
	if err != nil && err != ErrFull {
		mark.Undo()
		return err
	}
	f.Chunk = nil
	c.batch.Done()
	f.o.Metrics.read.Add(float64(n))
	f.o.Metrics.bytes.Add(float64(bytes))
	if breaks, after := f.State.handedOn(n, f.pos.Time); breaks > 0 {
		f.Logger.Info("the log is read again", "breaks", breaks, "after", after)
	}
	return err
}

// append hands b to Logs. It returns ErrFull if it handed b on only after calling Full.
func (f *Feed) append(ctx context.Context, b *lighter.Batch) error {
	told := make(chan struct{})
	timer := time.AfterFunc(f.o.Patience, func() {
		defer close(told)
		f.State.Set(Waiting)
		if f.Full != nil {
			f.Full()
		}
	})
	err := f.o.Logs.Append(ctx, b)
	if timer.Stop() {
		return err
	}
	<-told
	return cmp.Or(err, ErrFull)
}

// Drop returns the chunk, if any, with the lines in it.
func (f *Feed) Drop() {
	if f.Chunk != nil {
		f.o.Buffers.Put(f.Chunk)
		f.Chunk = nil
	}
}
