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
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"lighter"
	"lighter/collector/position"
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

// Sink takes batches for delivery.
type Sink interface {
	// Append blocks while there is no room, or until ctx ends, whose error it returns then. It
	// owns b once it has returned nil, and calls acked once, from any goroutine, when
	// every endpoint is finished with the batch.
	Append(ctx context.Context, b *lighter.Batch, acked func()) error
}

// Options are what all tailers of a process share; a Tailer owns none of it.
type Options struct {
	Engine       Engine
	Positions    *position.Store
	Sink         Sink
	Buffers      *Buffers
	Metrics      *Metrics
	Logger       *slog.Logger
	MaxLineBytes int           // a longer line is cut
	Begin        int64         // Unix nanoseconds: where a log begins that is seen for the first time
	Patience     time.Duration // how long a full Sink may block before the stream is closed
}

// Buffers are the memory that all tailers of a process read into. The zero value is ready.
type Buffers struct{ chunks }

// Why Run ended by itself.
var (
	// ErrStopped says that the container does not run and that its log is read to its end.
	ErrStopped = errors.New("the container has stopped and its log is read")
	// ErrGone says that the container exists no more.
	ErrGone = errors.New("the container is gone")
	// ErrUnreadable says that the container's log cannot be read, now or later.
	ErrUnreadable = errors.New("the log driver keeps nothing that could be read")
)

// Tailer follows the log of one container. Run may be called once.
type Tailer struct {
	Options
	container *lighter.Container
	streams   []*lighter.Stream // stdout's and stderr's; nil: its lines are left out
	cursor    *position.Cursor
	logger    *slog.Logger
	state     state

	// of the stream that is open
	body    io.Closer
	decoder decoder
	skipper position.Skipper
	pos     position.Position // after the last line decoded
	chunk   *chunk            // being filled; nil once handed on
	first   int64             // time of the first line since the last hand-on; 0 if there is none
	checked bool              // whether a gap has been looked for
}

// New returns a Tailer that does nothing until Run. The streams are stdout's and
// stderr's; lines of one that is nil are passed over.
func New(c *lighter.Container, out, err *lighter.Stream, o Options) *Tailer {
	t := &Tailer{
		Options:   o,
		container: c,
		streams:   []*lighter.Stream{out, err},
		cursor:    o.Positions.Cursor(c.ID),
		logger:    o.Logger.With("container", c.Name),
	}
	return t
}

// Pauses before a stream that broke is opened again, doubled each time that it gave
// nothing. An attempt on an Engine that is away costs nothing, and it shall be read soon
// when it is back; one on a log that the Engine cannot read makes it read it from the start.
const (
	minReopen     = 100 * time.Millisecond
	maxReopenAway = 2 * time.Second
	maxReopen     = 30 * time.Second
)

// longest returns the longest pause after err.
func longest(err error) time.Duration {
	var said engineError
	if errors.As(err, &said) || errors.Is(err, errFrame) || errors.Is(err, errNoTimestamp) {
		return maxReopen
	}
	return maxReopenAway
}

// Run reads until ctx ends, which it reports as nil, or until there is nothing more to
// read: ErrStopped, ErrGone, ErrUnreadable. A stream that breaks is opened again where it
// was left.
func (t *Tailer) Run(ctx context.Context) error {
	t.cursor.Start(position.Position{Time: t.Begin})
	pause := minReopen
	for {
		before := t.cursor.Read()
		err := t.follow(ctx)
		if ctx.Err() != nil {
			t.state.ended(nil)
			return nil
		}
		if errors.Is(err, ErrStopped) || errors.Is(err, ErrGone) || errors.Is(err, ErrUnreadable) {
			t.state.ended(err)
			return err
		}
		if t.cursor.Read() != before {
			pause = minReopen
		}
		t.Metrics.reopens.Inc()
		switch {
		case errors.Is(err, errFull), errors.Is(err, errMore):
			t.logger.Debug("opening the log again", "because", err)
		case t.state.broken(err):
			t.logger.Warn("the log stream broke, opening it again", "error", err, "in", pause)
		}
		if sleep(ctx, pause/2+rand.N(pause)) != nil { // spread, so that a hundred logs do not begin at once
			t.state.ended(nil)
			return nil
		}
		pause = min(2*pause, longest(err))
	}
}

var (
	// errFull says that the stream was closed because the Sink had no room; it has room again.
	errFull = errors.New("there was no room for what the log holds")
	// errMore says that a stream ended though the log goes on.
	errMore = errors.New("the stream ended before the log")
)

// follow reads one stream to its end and returns why it ended.
func (t *Tailer) follow(ctx context.Context) error {
	from := t.cursor.Read()
	body, err := t.Engine.OpenLogs(ctx, t.container.ID, from.Since(), true, 0)
	if err != nil {
		return t.explain("open the log", err)
	}
	defer body.Close()
	t.state.following()
	t.body = body
	t.begin(from)
	defer t.end()
	if err := t.read(ctx, body); err != io.EOF {
		return t.explain("read the log", err)
	}
	_ = body.Close()
	ended := t.ended(ctx)
	if !errors.Is(ended, ErrStopped) && !errors.Is(ended, ErrGone) {
		return ended
	}
	if err := t.decoder.finish(t.chunk.buf); err != nil {
		t.logger.Warn("the end of the log is damaged", "error", err)
	}
	if err := t.handOn(ctx); err != nil {
		return err
	}
	return ended
}

// begin makes ready for a stream that was opened at a position.
func (t *Tailer) begin(from position.Position) {
	t.decoder = decoder{tty: t.container.TTY, maxLine: t.MaxLineBytes, emit: t.emit, onCut: t.Metrics.truncated.Inc}
	t.skipper = position.NewSkipper(from)
	t.pos, t.first, t.checked = from, 0, false
	t.chunk = t.Buffers.get(smallChunk)
}

func (t *Tailer) end() {
	if t.chunk != nil {
		t.Buffers.put(t.chunk)
		t.chunk = nil
	}
}

// read decodes and hands on until the stream ends or breaks. What is left over is in
// t.chunk.buf then.
func (t *Tailer) read(ctx context.Context, body io.Reader) error {
	for {
		buf := t.chunk.buf
		n, err := body.Read(buf[len(buf):cap(buf)])
		t.chunk.buf = buf[:len(buf)+n]
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
	taken, err := t.decoder.decode(t.chunk.buf)
	if err != nil {
		return errors.Join(err, t.handOn(ctx))
	}
	rest := t.chunk.buf[taken:]
	size := max(t.decoder.need(rest), len(rest)+minRead)
	if n >= smallChunk/2 {
		size = max(size, mediumChunk) // a flood: fewer and larger reads
	}
	if t.chunk.empty() && size <= cap(t.chunk.buf) {
		t.chunk.buf = append(t.chunk.buf[:0], rest...)
		return t.handOn(ctx)
	}
	next := t.Buffers.get(size)
	next.buf = append(next.buf, rest...)
	err = t.handOn(ctx)
	t.end()
	t.chunk = next
	return err
}

// emit takes a line from the decoder into the batch.
func (t *Tailer) emit(at int64, stream int, line []byte, own bool) {
	if t.skipper.Skip(at) {
		return
	}
	if !t.checked {
		t.checked = true
		if t.skipper.Lost() {
			t.Metrics.gaps.Inc()
			t.logger.Error("lines are lost: the log was rotated past the place where reading went on. Give the container's log driver a larger max-size or max-file",
				"from", time.Unix(0, t.pos.Time).UTC(), "to", time.Unix(0, at).UTC(), "gap", time.Duration(at-t.pos.Time))
		}
	}
	t.pos = t.pos.After(at)
	if t.first == 0 {
		t.first = at
	}
	s := int32(stream - stdout)
	if t.streams[s] == nil {
		return
	}
	t.Metrics.read.Inc()
	t.Metrics.bytes.Add(float64(len(line)))
	t.chunk.batch.Entries = append(t.chunk.batch.Entries, lighter.Entry{Time: at, Line: line, Stream: s})
	if own {
		t.chunk.own += cap(line)
	}
}

// handOn gives the batch to the Sink, which owns the chunk from then on, and notes the
// position. When the Sink has no room it closes the stream, waits for room without it, and
// returns errFull. When ctx ends first, nothing is handed on or noted.
func (t *Tailer) handOn(ctx context.Context) error {
	if t.first == 0 {
		return nil
	}
	upTo := t.pos
	if at, ok := t.decoder.waiting(); ok && !upTo.Replays(at) {
		upTo = t.cursor.Read() // else the line that is not whole yet would not be read again
	}
	c, first := t.chunk, t.first
	t.first = 0
	n := len(c.batch.Entries)
	acked, undo := t.cursor.Begin(first, upTo)
	if n == 0 {
		acked()
		return nil
	}
	c.batch.Streams = t.streams
	c.batch.Bytes = cap(c.buf) + c.own + n*entryBytes
	done := func() {
		acked()
		t.state.delivered(n)
		t.Buffers.put(c)
	}
	err := t.append(ctx, &c.batch, done)
	if err != nil && err != errFull {
		undo()
		return err
	}
	t.chunk = nil
	if t.state.handedOn(n, t.pos.Time) {
		t.logger.Info("the log is read again")
	}
	return err
}

// append hands b to the Sink. It returns errFull if b is handed on, but the stream had to
// be closed in between.
func (t *Tailer) append(ctx context.Context, b *lighter.Batch, done func()) error {
	patient, cancel := context.WithTimeout(ctx, t.Patience)
	defer cancel()
	err := t.Sink.Append(patient, b, done)
	if err == nil || patient.Err() == nil || ctx.Err() != nil {
		return err
	}
	_ = t.body.Close()
	t.state.waiting()
	if err := t.Sink.Append(ctx, b, done); err != nil {
		return err
	}
	return errFull
}

// ended returns what the end of a stream means: ErrStopped, ErrGone, or that it has to be
// opened again.
func (t *Tailer) ended(ctx context.Context) error {
	c, err := t.Engine.Inspect(ctx, t.container.ID)
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
	if last > max(t.pos.Time, t.decoder.newest(t.chunk.buf)) {
		return errMore
	}
	return ErrStopped
}

// last returns the time of the last message of the log, 0 if it has none. The Engine finds
// that from the log's end, however long it is.
func (t *Tailer) last(ctx context.Context) (int64, error) {
	body, err := t.Engine.OpenLogs(ctx, t.container.ID, 0, false, 1)
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
	case t.Engine.Gone(err):
		return ErrGone
	case t.Engine.Unreadable(err):
		return ErrUnreadable
	}
	var said engineError
	if errors.As(err, &said) && strings.Contains(string(said), "does not support reading") {
		return ErrUnreadable
	}
	return fmt.Errorf("%s: %w", tried, err)
}
