// Package dockerlog reads the logs of containers over the Engine's API.
//
// A Tailer follows one container and hands its lines to a lighter.Logs in the order of the log. Its
// position moves only when the lines are acknowledged: a crash repeats lines, with the same labels, time
// and bytes, but never skips one.
//
// A Logs without room blocks, which is the backpressure. It does not reach the Engine: an Engine makes a
// reader that falls behind a log's rotation skip lines without notice (moby, daemon/logger/loggerutils). So
// a Tailer closes its stream when Logs stays full, and opens it again at the position once there is room.
//
// Three functions of the Tailer process a line: stream opens a response of the Engine at the position, read
// reads the response into chunks, and takeLines adds the lines of a chunk to the batch. oldengine.go and
// oldengine_repeats.go hold what only Engines before 23 need.
package dockerlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// Engine opens and describes logs. It is implemented by discovery/docker.
type Engine interface {
	// OpenLogs opens the log of a container: stdout and stderr, with timestamps, from the first line not
	// before since (Unix nanoseconds; 0 means all). If tail is positive, it opens only the last tail lines;
	// if tail is negative, no existing lines. With follow, the stream continues until the container stops.
	// An error may wrap lighter.ErrGone or lighter.ErrUnreadable.
	OpenLogs(ctx context.Context, id string, since int64, follow bool, tail int) (io.ReadCloser, error)
	// Inspect describes a container as it is now.
	Inspect(ctx context.Context, id string) (*lighter.Container, error)
}

// Options are the dependencies and settings of a Tailer, which owns none of them. A stream is closed when
// Logs has been full for Patience.
type Options struct {
	tail.Options
	Engine Engine
}

// Tailer reads the log of one container as it is written. Run may be called once.
type Tailer struct {
	o         Options
	container *lighter.Container
	feed      *tail.Feed

	// State of the open stream.
	body         io.Closer
	longestPause time.Duration // between two reads
	decoder      decoder
	repeats      *repeats  // finds the lines that an Engine before 23 returns twice; nil for any other Engine
	bytes        int       // bytes read from the stream
	top          int64     // time of the position at which the stream was opened
	started      time.Time // when the container's run began; only known for a terminal's log, and for Podman
	following    bool      // the response continues until the container stops
	stopped      bool      // the container had stopped when the stream was opened; only known for a terminal's log, and for Podman
	finishing    bool      // the remaining lines have no newline

	// mustFind means that the response must contain the line before the position. If it does not, the
	// Engine has deleted that line, or has left out something that it still has.
	mustFind bool

	// State that outlives a stream.
	remedy     remedy        // for the next stream
	patience   time.Duration // how long the next stream may take to return what the log contains
	given      bool          // the last stream returned something
	readOnce   bool          // followers do not return everything: the log is read to its end before it is followed
	askedAgain bool          // the end of the log was requested again since the last line
	broken     bool          // an unreadable message was logged
	stalled    bool          // a hanging stream was logged
}

// New returns a Tailer that does nothing until Run. The streams are those of stdout and stderr; the lines
// of a nil stream are dropped.
func New(c *lighter.Container, out, err *lighter.Stream, o Options) *Tailer {
	t := &Tailer{o: o, container: c, patience: minPatience, feed: tail.NewFeed(c, out, err, o.Options)}
	t.feed.Full = func() { _ = t.body.Close() }
	return t
}

// Status returns what the Tailer does and has done. It may be called at any time.
func (t *Tailer) Status() tail.Status { return t.feed.State.Status() }

// State returns the State that Status reads. It outlives Run: a line may be delivered after Run has ended.
func (t *Tailer) State() *tail.State { return t.feed.State }

// A broken stream is reopened after a pause, which is doubled each time that the stream returned nothing.
// An attempt to reach an absent Engine costs nothing, and its logs must be read soon after its return.
// Opening a log that the Engine cannot read, or for which there is hardly any room, makes the Engine read
// the log from its start.
const (
	minReopen     = 100 * time.Millisecond
	maxReopenAway = 2 * time.Second
	maxReopenFull = 5 * time.Second
	maxReopen     = 30 * time.Second
)

// lasting is how long a stream must have been open before its end no longer counts as a failure to open it.
// A proxy may have cut such a stream, which is reopened at once.
const lasting = time.Second

// wasCut reports whether err means that something between the agent and the Engine has ended the stream, as
// some socket proxies do with idle streams. This need not be reported if the log can be reopened.
func wasCut(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// longestReopen returns the longest pause after err.
func longestReopen(err error) time.Duration {
	var reported engineError
	if errors.Is(err, tail.ErrFull) {
		return maxReopenFull
	}
	if errors.As(err, &reported) || errors.Is(err, errFrame) || errors.Is(err, errHole) || errors.Is(err, errMissed) {
		return maxReopen
	}
	return maxReopenAway
}

// Run reads until ctx ends, and then returns nil, or until there is nothing more to read: tail.ErrStopped,
// lighter.ErrGone, lighter.ErrUnreadable. It reopens a broken stream where it was left.
func (t *Tailer) Run(ctx context.Context) error {
	defer t.feed.Close()
	t.feed.Start()
	read := t.follow
	if t.container.OldEngine {
		read = t.readOldEngine
	}
	pause, examined := minReopen, false
	for {
		before, _ := t.feed.From()
		began := time.Now()
		err := read(ctx)
		t.feed.Interrupted()
		now, _ := t.feed.From()
		if now != before {
			examined, t.askedAgain = false, false
		}
		if errors.Is(err, errStandstill) || errors.Is(err, errHole) {
			t.readOnce = true
			t.patience = min(2*t.patience, maxSilence)
			if t.given {
				t.patience = minPatience
			}
		}
		if !examined && t.cannotRead(err, now != before) && ctx.Err() == nil {
			if err = t.examine(ctx, err); err == nil {
				examined = true
				continue
			}
		}
		examined = false
		if ctx.Err() != nil {
			t.feed.State.End(nil)
			return nil
		}
		if errors.Is(err, tail.ErrStopped) || errors.Is(err, lighter.ErrGone) || errors.Is(err, lighter.ErrUnreadable) {
			_ = t.feed.End(ctx) // on error ctx has ended, and the log will be read again from there
			t.feed.State.End(err)
			return err
		}
		lasted := time.Since(began) >= lasting
		if (now != before || lasted) && !errors.Is(err, tail.ErrFull) {
			pause = minReopen
		}
		if lasted && wasCut(err) {
			err = errMore
		}
		t.reopening(err, pause)
		if sleep(ctx, pause/2+rand.N(pause)) != nil { // spread, so that a hundred logs are not opened at once
			t.feed.State.End(nil)
			return nil
		}
		pause = min(2*pause, longestReopen(err))
	}
}

// reopening logs and counts that a stream that ended with err is reopened.
func (t *Tailer) reopening(err error, in time.Duration) {
	reopens := t.o.Metrics.Reopens
	switch {
	case errors.Is(err, tail.ErrFull):
		reopens.Full.Inc()
		t.feed.Logger.Debug("opening the log again", "because", err)
	case errors.Is(err, errMore):
		reopens.Ended.Inc()
		t.feed.Logger.Debug("opening the log again", "because", err)
	case errors.Is(err, errStandstill):
		reopens.Stalled.Inc()
		if !t.stalled {
			t.stalled = true
			t.feed.Logger.Warn("the Engine stopped sending a log that still grows, opening it again; further occurrences are only counted, in lighter_log_reopens_total", "error", err)
		}
	default:
		reopens.Broken.Inc()
		if t.feed.State.Break(err) {
			t.feed.Logger.Warn("the log stream broke, opening it again", "error", err, "in", in)
		}
	}
}

// errMissed means that a response does not contain the last line before the position. The log may still
// contain it; finding out requires reading the whole log.
var errMissed = errors.New("the Engine does not return the line after which reading is to continue")

// takeLines adds the decoder's lines to the batch. It skips lines that an old Engine repeats, and lines
// before the position.
func (t *Tailer) takeLines() error {
	for t.decoder.next() {
		line := &t.decoder.lines.Line
		newness := fresh
		if t.repeats != nil {
			newness = t.repeats.judge(line, &t.decoder.lines)
		}
		if newness == repeated {
			t.o.Metrics.Repeated.Inc()
			continue
		}
		if newness == partOfRepeated || t.feed.Skip(line.Time) {
			continue
		}
		if t.mustFind && t.feed.Lost() {
			return errMissed
		}
		switch {
		case newness == doubtful:
			t.feed.AddDoubtful(line)
		case t.container.Podman:
			t.addOfPodman(line)
		default:
			t.feed.Add(line)
		}
	}
	return t.decoder.err
}

// A quiet log is read into small chunks, a flood into larger ones.
const (
	smallChunk  = tail.MinChunk
	mediumChunk = 32 << 10 // holds the longest frame of json-file, 16 KiB, and a read after it
	minRead     = 512      // less room than this is not worth a read
)

// read decodes and hands on lines until the stream ends or breaks. The chunk then contains what is left
// over.
func (t *Tailer) read(ctx context.Context, body io.Reader) error {
	p := pauses{began: time.Now()}
	still := t.watchStandstill(ctx)
	defer func() { t.given = still.stop() }()
	for {
		buf := t.feed.Chunk.Buf
		expecting := t.expecting()
		if !expecting && t.caughtUp() {
			t.feed.Reading()
		}
		still.reading(max(t.decoder.latest(buf), t.top), expecting)
		n, err := body.Read(buf[len(buf):cap(buf)])
		if found := still.read(n); found != nil {
			err = found
		}
		t.feed.Chunk.Buf = buf[:len(buf)+n]
		t.bytes += n
		filled := len(buf)+n == cap(buf)
		if n > 0 {
			if err := t.take(ctx, n); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if pause := min(p.after(n, t.decoder.messages, filled, time.Now()), t.longestPause); pause > 0 {
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		}
	}
}

// take decodes the chunk, whose last n bytes are new, and hands its lines on. It moves an incomplete
// message at the end of the chunk to the beginning of the next chunk.
func (t *Tailer) take(ctx context.Context, n int) error {
	chunk := t.feed.Chunk
	t.decoder.decode(chunk.Buf)
	switch err := t.takeLines(); {
	case err == errMissed:
		return err
	case err != nil:
		return errors.Join(err, t.handOn(ctx))
	}
	rest := t.decoder.rest()
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
	err := t.handOn(ctx)
	t.feed.Drop()
	t.feed.Chunk = next
	return err
}

// handOn gives the batch to Logs. If Logs has no room, handOn closes the stream, waits for room, and
// returns tail.ErrFull.
func (t *Tailer) handOn(ctx context.Context) error {
	if t.feed.Empty() {
		return nil
	}
	if err := t.prove(ctx); err != nil {
		return err
	}
	return t.feed.HandOn(ctx, t.decoder.lines.Waiting(), position.Bookmark{})
}

// ended returns what the end of a stream means: tail.ErrStopped, lighter.ErrGone, or an error after which
// the log must be reopened.
func (t *Tailer) ended(ctx context.Context) error {
	c, err := t.o.Engine.Inspect(ctx, t.container.ID)
	if err != nil {
		return t.explain("ask why the log ended", err)
	}
	if c.Running {
		return errMore
	}
	if t.container.Podman {
		if t.stopped && c.Started.Equal(t.started) {
			return tail.ErrStopped // the response was opened after the stop, so it had the whole log
		}
		return errMore
	}
	last, err := t.firstTime(ctx, 0, 1)
	if err != nil {
		return t.explain("compare with the last line of the log", err)
	}
	more := last > max(t.feed.Last().Time, t.decoder.latest(t.feed.Chunk.Buf))
	if t.feed.Last().Unordered() {
		more = last != t.decoder.lastTime(t.feed.Chunk.Buf) // the greatest time proves nothing
	}
	if more {
		return errMore
	}
	return tail.ErrStopped
}

// firstTime returns the time of the first message that the Engine returns for the log from a time on, or
// for the last messages if last is not 0. It returns 0 if there is none. The Engine finds the last messages
// from the end of the log, however long the log is.
func (t *Tailer) firstTime(ctx context.Context, since int64, last int) (int64, error) {
	timeout := time.Minute
	if since != 0 {
		timeout = maxExamination // the Engine searches the log from its start
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
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

// passOver counts an unreadable message, and logs the first one.
func (t *Tailer) passOver(err error) {
	t.o.Metrics.Broken.Inc()
	if !t.broken {
		t.broken = true
		t.feed.Logger.Warn("a message of the log without a timestamp is skipped; further ones are only counted, in lighter_log_lines_broken_total", "error", err)
	}
}

// sleep waits for d. If ctx ends first, it returns ctx's error.
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

// explain adds to err what was tried, or returns the kind of end that err means.
func (t *Tailer) explain(tried string, err error) error {
	switch {
	case errors.Is(err, lighter.ErrGone):
		return lighter.ErrGone
	case errors.Is(err, lighter.ErrUnreadable):
		return lighter.ErrUnreadable
	}
	var reported engineError
	if errors.As(err, &reported) && strings.Contains(string(reported), "does not support reading") {
		return lighter.ErrUnreadable
	}
	return fmt.Errorf("%s: %w", tried, err)
}
