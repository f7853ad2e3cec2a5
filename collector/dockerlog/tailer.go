// Package dockerlog reads the logs of containers over the Engine's API.
//
// A Tailer follows one container and hands its lines to a Sink in the order of the log.
// Its position moves only when the Sink reports them acknowledged: a crash repeats
// lines, with the same labels, time and bytes, and never skips one.
//
// A Sink that is full blocks, and that is the backpressure. It does not reach the
// Engine: a reader that falls behind a log's rotation is made to skip lines without
// being told (moby, daemon/logger/loggerutils), so a follow is closed when the Sink stays
// full, and opened again at the position once it has room.
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
	// that is not 0. With follow the stream goes on until the container stops.
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

// Tailer follows the log of one container. Run may be called once.
type Tailer struct {
	o         Options
	container *lighter.Container
	feed      *tail.Feed

	// of the stream that is open
	body    io.Closer
	decoder decoder
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
	pause := minReopen
	for {
		before, _ := t.feed.From()
		err := t.follow(ctx)
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
		t.o.Metrics.Reopens.Inc()
		switch {
		case errors.Is(err, tail.ErrFull), errors.Is(err, errMore):
			t.feed.Logger.Debug("opening the log again", "because", err)
		case t.feed.State.Break(err):
			t.feed.Logger.Warn("the log stream broke, opening it again", "error", err, "in", pause)
		}
		if sleep(ctx, pause/2+rand.N(pause)) != nil { // spread, so that a hundred logs do not begin at once
			t.feed.State.End(nil)
			return nil
		}
		pause = min(2*pause, longest(err))
	}
}

// errMore says that a stream ended though the log goes on.
var errMore = errors.New("the stream ended before the log")

// follow reads one stream to its end and returns why it ended.
func (t *Tailer) follow(ctx context.Context) error {
	from, _ := t.feed.From()
	body, err := t.o.Engine.OpenLogs(ctx, t.container.ID, from.Since(), true, 0)
	if err != nil {
		return t.explain("open the log", err)
	}
	defer body.Close()
	t.feed.State.Set(tail.Following)
	t.body = body
	t.begin(from)
	defer t.feed.Drop()
	if err := t.read(ctx, body); err != io.EOF {
		return t.explain("read the log", err)
	}
	_ = body.Close()
	ended := t.ended(ctx)
	if !errors.Is(ended, tail.ErrStopped) && !errors.Is(ended, tail.ErrGone) {
		return ended
	}
	if err := t.decoder.finish(t.feed.Chunk.Buf); err != nil {
		t.feed.Logger.Warn("the end of the log is damaged", "error", err)
	}
	if err := t.handOn(ctx); err != nil {
		return err
	}
	return ended
}

// begin makes ready for a stream that was opened at a position.
func (t *Tailer) begin(from position.Position) {
	t.decoder = decoder{lines: tail.Lines{MaxBytes: t.o.MaxLineBytes, Terminal: t.container.TTY, Emit: t.feed.Line, Cut: t.o.Metrics.Truncated.Inc}}
	t.feed.Begin(position.NewSkipper(from))
	t.feed.Chunk = t.o.Buffers.Get(smallChunk)
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
	for {
		buf := t.feed.Chunk.Buf
		n, err := body.Read(buf[len(buf):cap(buf)])
		t.feed.Chunk.Buf = buf[:len(buf)+n]
		if n > 0 {
			if err := t.take(ctx, n); err != nil {
				return err
			}
		}
		if err != nil {
			return err
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
	last, err := t.last(ctx)
	if err != nil {
		return t.explain("compare with the last line of the log", err)
	}
	if last > max(t.feed.Last().Time, t.decoder.newest(t.feed.Chunk.Buf)) {
		return errMore
	}
	return tail.ErrStopped
}

// last returns the time of the last message of the log, 0 if it has none. The Engine finds
// that from the log's end, however long it is.
func (t *Tailer) last(ctx context.Context) (int64, error) {
	body, err := t.o.Engine.OpenLogs(ctx, t.container.ID, 0, false, 1)
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
