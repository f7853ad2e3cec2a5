// Package dockerlog reads the logs of containers over the Engine's API.
//
// A Tailer follows one container and hands its lines to a Sink in the order of the log.
// Its position moves only when the Sink reports them acknowledged: a crash repeats
// lines, with the same labels, time and bytes, and never skips one. What the Engine itself
// hands out twice is handed on once.
//
// A Sink that is full blocks, and that is the backpressure. It does not reach the
// Engine: a reader that falls behind a log's rotation is made to skip lines without
// being told (moby, daemon/logger/loggerutils), so a follow is closed when the Sink stays
// full, and opened again at the position once it has room. Nor is a log followed of which the
// files are small and compressed: there followers skip anyway. It is read in rounds.
package dockerlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// Engine opens and describes logs. It is implemented by discovery/docker.
type Engine interface {
	// OpenLogs opens the log of a container: stdout and stderr, with timestamps, from the
	// first line not before since (Unix nanoseconds, 0 is all), or the last tail lines if
	// that is not 0, none of those that are there if it is negative. With follow the stream
	// goes on until the container stops.
	// An error wraps one that Gone or Unreadable recognises, where it is of that kind.
	OpenLogs(ctx context.Context, id string, since int64, follow bool, tail int) (io.ReadCloser, error)
	// Inspect describes a container as it is now.
	Inspect(ctx context.Context, id string) (*lighter.Container, error)
	// Gone reports whether err says that the container does not exist any more.
	Gone(err error) bool
	// Unreadable reports whether err says that the container's log driver keeps nothing to read.
	Unreadable(err error) bool
}

// Options are what all tailers of a process share; a Tailer owns none of it. A stream is
// closed when the Sink has been full for Patience.
type Options struct {
	tail.Options
	Engine Engine
}

// ErrUnreadable says that the container's log cannot be read, now or later.
var ErrUnreadable = errors.New("the log driver keeps nothing that could be read")

// Tailer reads the log of one container as it is written. Run may be called once.
type Tailer struct {
	o         Options
	container *lighter.Container
	feed      *tail.Feed

	// of the stream that is open
	body    io.Closer
	gather  time.Duration // longest pause between two reads
	decoder decoder
	lookout lookout
	answer  answer
}

// New returns a Tailer that does nothing until Run. The streams are stdout's and
// stderr's; lines of one that is nil are passed over.
func New(c *lighter.Container, out, err *lighter.Stream, o Options) *Tailer {
	t := &Tailer{o: o, container: c, feed: tail.NewFeed(c, out, err, o.Options)}
	t.feed.Full = func() { _ = t.body.Close() }
	return t
}

// Status returns what the Tailer does and has done. It may be called at any time.
func (t *Tailer) Status() tail.Status { return t.feed.State.Status() }

// State is what Status is of. It outlives Run: what was read may be delivered only later.
func (t *Tailer) State() *tail.State { return &t.feed.State }

// Pauses before a stream that broke is opened again, doubled each time that it gave
// nothing. An attempt on an Engine that is away costs nothing, and it shall be read soon
// when it is back; one on a log that the Engine cannot read, or for which there is hardly
// room, makes it read it from the start.
const (
	minReopen     = 100 * time.Millisecond
	maxReopenAway = 2 * time.Second
	maxReopenFull = 5 * time.Second
	maxReopen     = 30 * time.Second
)

// longest returns the longest pause after err.
func longest(err error) time.Duration {
	var said engineError
	if errors.Is(err, tail.ErrFull) {
		return maxReopenFull
	}
	if errors.As(err, &said) || errors.Is(err, errFrame) || errors.Is(err, errNoTimestamp) {
		return maxReopen
	}
	return maxReopenAway
}

// Run reads until ctx ends, which it reports as nil, or until there is nothing more to
// read: tail.ErrStopped, tail.ErrGone, ErrUnreadable. A stream that breaks is opened again
// where it was left.
func (t *Tailer) Run(ctx context.Context) error {
	defer t.feed.Close()
	t.feed.Start()
	read := t.follow
	if inRounds(t.container) {
		read = t.rounds
	}
	pause := minReopen
	for {
		before, _ := t.feed.From()
		err := read(ctx)
		if ctx.Err() != nil {
			t.feed.State.End(nil)
			return nil
		}
		if errors.Is(err, tail.ErrStopped) || errors.Is(err, tail.ErrGone) || errors.Is(err, ErrUnreadable) {
			t.feed.State.End(err)
			return err
		}
		if now, _ := t.feed.From(); now != before && !errors.Is(err, tail.ErrFull) {
			pause = minReopen
		}
		t.reopening(err, pause)
		if sleep(ctx, pause/2+rand.N(pause)) != nil { // spread, so that a hundred logs do not begin at once
			t.feed.State.End(nil)
			return nil
		}
		pause = min(2*pause, longest(err))
	}
}

// reopening says and counts that a stream which ended with err is opened again.
func (t *Tailer) reopening(err error, in time.Duration) {
	reopens := t.o.Metrics.Reopens
	switch {
	case errors.Is(err, tail.ErrFull):
		reopens.Full.Inc()
		t.feed.Logger.Debug("opening the log again", "because", err)
	case errors.Is(err, errMore):
		reopens.Ended.Inc()
		t.feed.Logger.Debug("opening the log again", "because", err)
	default:
		reopens.Broken.Inc()
		if t.feed.State.Break(err) {
			t.feed.Logger.Warn("the log stream broke, opening it again", "error", err, "in", in)
		}
	}
}

// errMore says that a stream ended though the log goes on.
var errMore = errors.New("the stream ended before the log")

// reach says what of a log is read.
type reach int

const (
	following reach = iota // from where reading goes on until the container stops
	toTheEnd               // from there to the end that it has now
	whole                  // from its first line to that end; those that were read are left out
)

// follow reads one stream to its end and returns why it ended.
func (t *Tailer) follow(ctx context.Context) error {
	if t.rest() == whole {
		if err := t.snapshot(ctx); err != nil {
			return err
		}
	}
	return t.drain(ctx, following)
}

// drain reads one answer to its end and returns what that end means.
func (t *Tailer) drain(ctx context.Context, r reach) error {
	defer t.feed.Drop()
	err := t.stream(ctx, r)
	if err == nil {
		err = t.finish(ctx)
	}
	if errors.Is(err, errMissed) {
		return t.drain(ctx, whole)
	}
	return err
}

// stream reads one answer of the Engine to its end. What is no whole line there is in the decoder
// and the chunk then.
func (t *Tailer) stream(ctx context.Context, r reach) error {
	from, _ := t.feed.From()
	since, setBack := from.Since(), from.Peak != (position.Peak{})
	if from.Lines > 0 && from.Time > time.Now().Add(maxAhead).UnixNano() {
		since, setBack = 0, true // and how far is not known
	}
	if r == whole {
		since = 0
	}
	body, err := t.o.Engine.OpenLogs(ctx, t.container.ID, since, r == following, 0)
	if err != nil {
		return t.explain("open the log", err)
	}
	defer body.Close()
	t.body = body
	t.begin(r)
	if err := t.find(ctx, from, setBack); err != nil {
		return t.explain("find the place in the log", err)
	}
	if t.container.LogFiles.LeftOut && !setBack && since > 0 {
		t.lookout.begin(from)
	}
	t.feed.State.Set(tail.Following)
	if err := t.read(ctx, body); err != io.EOF {
		return t.explain("read the log", err)
	}
	return nil
}

// finish returns what the end of an answer means, and hands on what the log ends with if it is
// the log's.
func (t *Tailer) finish(ctx context.Context) error {
	_ = t.body.Close()
	ended := t.ended(ctx)
	if !errors.Is(ended, tail.ErrStopped) && !errors.Is(ended, tail.ErrGone) {
		return ended
	}
	if err := t.decoder.finish(t.feed.Chunk.Buf); err != nil {
		t.feed.Logger.Warn("the end of the log is damaged", "error", err)
	}
	if t.lookout.missed {
		return errMissed
	}
	if err := t.handOn(ctx); err != nil {
		return err
	}
	return ended
}

// maxAhead is how far a position may be ahead of the clock without that the clock counts as
// set back: an Engine on another host has a clock of its own.
const maxAhead = time.Minute

// begin makes ready for a stream.
func (t *Tailer) begin(r reach) {
	emit := t.line
	t.gather = gatherTime
	if r != following {
		emit, t.gather = t.lineOnce, snapshotGather
	}
	t.decoder = decoder{
		lines: tail.Lines{MaxBytes: t.o.MaxLineBytes, Terminal: t.container.TTY, Emit: emit, Cut: t.o.Metrics.Truncated.Inc},
		seen:  newRepeats(),
	}
	t.lookout, t.answer = lookout{}, answer{}
	t.feed.Drop()
	t.feed.Chunk = t.o.Buffers.Get(smallChunk)
}

// snapshotGather is the longest pause while the Engine gives what it has: it waits for us.
const snapshotGather = 2 * time.Millisecond

// find has the lines before a position left out of the stream that was opened there. Where the
// clock was set back, lines before the position and after it may have the same times: which
// they are is told by what the log still holds. It is asked after the stream was opened: what
// the log holds now, the stream gives.
func (t *Tailer) find(ctx context.Context, from position.Position, setBack bool) error {
	if !setBack {
		t.feed.Begin(position.NewSkipper(from))
		return nil
	}
	for p := from; !p.IsZero(); p = p.WithoutTop() {
		first, err := t.firstTime(ctx, p.Top(), 0)
		if err != nil {
			return err
		}
		if first == p.Top() {
			t.feed.Begin(position.NewSkipper(p))
			return nil
		}
	}
	t.feed.Begin(position.SkipLines(0))
	t.feed.Gap()
	return nil
}

// line takes a line of the stream, unless the Engine has handed it out before.
func (t *Tailer) line(at int64, stream int, line []byte, own bool) {
	switch v := t.decoder.judge(at, stream, line, own); {
	case v == repeated:
		t.o.Metrics.Repeated.Inc()
	case t.lookout.misses(at):
	case v == doubtful:
		t.feed.Doubtful(at, stream, line, own)
	default:
		t.feed.Line(at, stream, line, own)
	}
}

// lineOnce takes a line of an answer in which the Engine hands out nothing twice.
func (t *Tailer) lineOnce(at int64, stream int, line []byte, own bool) {
	t.answer.line(at)
	if !t.lookout.misses(at) {
		t.feed.Line(at, stream, line, own)
	}
}

// A quiet log is read into small chunks, a flood into larger ones.
const (
	smallChunk  = tail.MinChunk
	mediumChunk = 32 << 10 // holds the longest frame of json-file, 16 KiB, and a read after it
	minRead     = 512      // less room than this is not worth a read
)

// read decodes and hands on until the stream ends or breaks. What is left over is in
// the chunk then.
func (t *Tailer) read(ctx context.Context, body io.Reader) error {
	g := gathering{began: time.Now()}
	for {
		buf := t.feed.Chunk.Buf
		n, err := body.Read(buf[len(buf):cap(buf)])
		t.feed.Chunk.Buf = buf[:len(buf)+n]
		t.answer.bytes += n
		filled := len(buf)+n == cap(buf)
		if n > 0 {
			if err := t.take(ctx, n); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if pause := min(g.after(n, t.decoder.messages, filled, time.Now()), t.gather); pause > 0 {
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		}
	}
}

// take decodes what is in the chunk, of which n bytes are new, and hands it on. What is
// not a whole message yet is what the next chunk begins with.
func (t *Tailer) take(ctx context.Context, n int) error {
	chunk := t.feed.Chunk
	taken, err := t.decoder.decode(chunk.Buf)
	if err != nil {
		return errors.Join(err, t.handOn(ctx))
	}
	if t.lookout.missed {
		return errMissed
	}
	rest := chunk.Buf[taken:]
	size := max(t.decoder.need(rest), len(rest)+minRead)
	if n >= smallChunk/2 {
		size = max(size, mediumChunk) // a flood: fewer and larger reads
	}
	if chunk.Empty() && size <= cap(chunk.Buf) {
		chunk.Buf = append(chunk.Buf[:0], rest...)
		return t.handOn(ctx)
	}
	next := t.o.Buffers.Get(size)
	next.Buf = append(next.Buf, rest...)
	err = t.handOn(ctx)
	t.feed.Drop()
	t.feed.Chunk = next
	return err
}

// handOn gives the batch to the Sink. When that has no room the stream is closed, room
// waited for without it, and tail.ErrFull returned.
func (t *Tailer) handOn(ctx context.Context) error {
	return t.feed.HandOn(ctx, t.decoder.waiting(), position.Hint{})
}

// ended returns what the end of a stream means: tail.ErrStopped, tail.ErrGone, or that it has
// to be opened again.
func (t *Tailer) ended(ctx context.Context) error {
	c, err := t.o.Engine.Inspect(ctx, t.container.ID)
	if err != nil {
		return t.explain("ask why the log ended", err)
	}
	if c.Running {
		return errMore
	}
	last, err := t.firstTime(ctx, 0, 1)
	if err != nil {
		return t.explain("compare with the last line of the log", err)
	}
	if last > max(t.feed.Last().Time, t.decoder.newest(t.feed.Chunk.Buf)) {
		return errMore
	}
	return tail.ErrStopped
}

// firstTime returns the time of the first message that the Engine gives of the log from a time
// on, or of the last messages if that is not 0; it is 0 if there is none. The Engine finds the
// last ones from the log's end, however long it is.
func (t *Tailer) firstTime(ctx context.Context, since int64, last int) (int64, error) {
	body, err := t.o.Engine.OpenLogs(ctx, t.container.ID, since, false, last)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, frameHeader+int64(stampLen)+1))
	if err != nil {
		return 0, err
	}
	if !t.container.TTY && len(b) >= frameHeader {
		if b[0] == system {
			more, _ := io.ReadAll(io.LimitReader(body, 1<<10))
			return 0, engineError(append(b[frameHeader:], more...))
		}
		b = b[frameHeader:]
	}
	if len(b) == 0 {
		return 0, nil
	}
	at, _, err := new(stamps).cut(b)
	return at, err
}

// sleep waits for d or until ctx ends, whose error it returns then.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explain says what was tried when err came, and which kind of end it is.
func (t *Tailer) explain(tried string, err error) error {
	switch {
	case t.o.Engine.Gone(err):
		return tail.ErrGone
	case t.o.Engine.Unreadable(err):
		return ErrUnreadable
	}
	var said engineError
	if errors.As(err, &said) && strings.Contains(string(said), "does not support reading") {
		return ErrUnreadable
	}
	return fmt.Errorf("%s: %w", tried, err)
}
