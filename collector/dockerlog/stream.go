package dockerlog

import (
	"context"
	"errors"
	"io"
	"time"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// errMore means that a stream ended although the log continues.
var errMore = errors.New("the stream ended before the log")

// portion is the part of a log to request.
type portion int

const (
	fromPosition portion = iota // from where reading continues until the container stops
	toTheEnd                    // from where reading continues to the present end of the log
	// fromLast is the number of last messages in the remedy, and then what is written until the container
	// stops, unless it is Podman's or its log is read in rounds.
	fromLast
	whole // from the first line to the present end of the log; only of an Engine before 23
)

// follow reads one stream to its end and returns why it ended.
func (t *Tailer) follow(ctx context.Context) error {
	if t.remedy.last > 0 {
		return t.drain(ctx, fromLast)
	}
	if t.readOnce {
		t.readOnce = false
		return t.drain(ctx, toTheEnd)
	}
	return t.drain(ctx, fromPosition)
}

// drain reads one response to its end and returns what that end means.
func (t *Tailer) drain(ctx context.Context, p portion) error {
	defer t.feed.Drop()
	if err := t.stream(ctx, p); err != nil {
		return err
	}
	return t.finish(ctx)
}

// stream reads one response of the Engine to its end. The decoder and the chunk then hold what is not a
// complete line.
func (t *Tailer) stream(ctx context.Context, p portion) error {
	known := t.remedy
	t.remedy = remedy{}
	p, err := t.lookAtRun(ctx, p)
	if err != nil {
		return t.explain("ask when the container was started", err)
	}
	from, _ := t.feed.From()
	since := from.Since()
	if clockWasSetBack(from) {
		since = 0 // the difference is unknown
	}
	last, follow := 0, p == fromPosition
	switch p {
	case whole:
		since = 0
	case fromLast:
		since, last, follow = 0, known.last, !inRounds(t.container) && !t.container.Podman
	}
	mustReach, stopBefore := int64(0), int64(0)
	if !known.unchecked && !t.container.Podman {
		if mustReach, err = t.mustReach(ctx, from); err != nil {
			return t.explain("find the end of the log", err)
		}
		if t.container.OldEngine && p == fromPosition && mustReach != 0 {
			stopBefore = t.damageAhead(ctx, from, mustReach)
		}
	}
	body, err := t.o.Engine.OpenLogs(ctx, t.container.ID, since, follow, last)
	if err != nil {
		return t.explain("open the log", err)
	}
	defer body.Close()
	t.body, t.top = body, from.Time
	t.begin(from, follow)
	switch {
	case p != fromLast:
	case known.lost:
		t.decoder.firstBy = known.oldest
	default:
		t.decoder.firstBy = max(from.Since()-1, known.oldest)
	}
	// Ask the Engine after the stream was opened: the stream returns what the log contains now.
	gone, err := t.goneSinceSetBack(ctx, from)
	if err != nil {
		return t.explain("find where to continue in the log", err)
	}
	if gone {
		t.feed.BeginAnew()
	} else {
		t.feed.Begin(position.NewSkipper(from))
		t.decoder.mustReach, t.decoder.stopBefore = mustReach, stopBefore
		t.mustFind = p != whole && !known.lost
	}
	if known.lost && known.last > 0 {
		t.feed.Damaged()
	}
	t.feed.State.Set(tail.Following)
	began := time.Now()
	if err := t.read(ctx, body); err != io.EOF {
		return t.explain("read the log", err)
	}
	if p == toTheEnd { // a follower from there would take as long to begin
		t.patience = min(max(4*time.Since(began), minPatience), maxSilence)
	}
	if t.expecting() {
		return errHole
	}
	return nil
}

// maxAhead is how far a position may be ahead of this host's clock before the Engine's clock is considered
// set back: an Engine on another host has a clock of its own.
const maxAhead = time.Minute

// clockWasSetBack reports whether the clock was set back to a time before a position's.
func clockWasSetBack(from position.Position) bool {
	return from.HasLines() && from.Time > time.Now().Add(maxAhead).UnixNano()
}

// goneSinceSetBack reports whether the clock was set back and the log no longer contains the line with the
// position's time. The position is not usable then: it is unknown which lines are before it.
func (t *Tailer) goneSinceSetBack(ctx context.Context, from position.Position) (bool, error) {
	if !from.Unordered() && !clockWasSetBack(from) {
		return false, nil
	}
	first, err := t.firstTime(ctx, from.Time, 0)
	if err != nil || first == from.Time {
		return false, err
	}
	if first == 0 && !t.container.Podman {
		newest, err := t.newest(ctx)
		if err != nil || newest >= from.Time { // the log is damaged: the Engine has not read that far
			return false, err
		}
	}
	oldest, err := t.firstTime(ctx, 0, 0)
	if errors.Is(err, errNoTimestamp) {
		return true, nil
	}
	return oldest < from.Time, err // if none is older, no clock was set back: a line was incomplete
}

// lookAtRun inspects the container for its start time, which the decoder of a terminal's log needs, and for
// whether it runs, which is needed for Podman. It returns the portion to request in place of p.
func (t *Tailer) lookAtRun(ctx context.Context, p portion) (portion, error) {
	if !t.container.TTY && !t.container.Podman {
		return p, nil
	}
	c, err := t.o.Engine.Inspect(ctx, t.container.ID)
	if err != nil {
		return p, err
	}
	t.started, t.stopped = c.Started, hasStopped(c)
	if t.container.Podman && p == fromPosition && !c.Running {
		p = toTheEnd
	}
	return p, nil
}

// mustReach returns the time, in Unix nanoseconds, of the message that a response from a position on must
// contain: the log's last one or, if there is nothing new, the one before the position. It returns 0 if the
// Engine does not know.
func (t *Tailer) mustReach(ctx context.Context, from position.Position) (int64, error) {
	newest, err := t.firstTime(ctx, 0, 1)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.Is(err, lighter.ErrGone), errors.Is(err, lighter.ErrUnreadable):
		return 0, err
	case err != nil:
		return 0, nil // an error will return when the log is opened
	case newest > from.Time:
		return newest, nil
	case from.HasLines() && !leavesOutFiles(t.container):
		return from.Time, nil
	}
	return 0, nil
}

// expecting reports whether the stream has not yet returned everything that the log held when it was
// opened.
func (t *Tailer) expecting() bool {
	return t.decoder.mustReach != 0 && t.decoder.latest(t.feed.Chunk.Buf) < t.decoder.mustReach
}

// finish returns what the end of a response means. If it is the end of the log, finish hands on the lines
// that have no newline. An Engine's follower may miss the last piece of a long line, and the times do not
// reveal that, because all pieces have the same time. So a log that seems to end with a full piece is
// requested once more.
func (t *Tailer) finish(ctx context.Context) error {
	_ = t.body.Close()
	ended := t.ended(ctx)
	if !errors.Is(ended, tail.ErrStopped) && !errors.Is(ended, lighter.ErrGone) {
		return ended
	}
	if errors.Is(ended, tail.ErrStopped) && t.decoder.lines.MayGoOn() && !t.askedAgain {
		t.askedAgain, t.readOnce = true, true
		return errMore
	}
	t.finishing = true
	t.decoder.finish(t.feed.Chunk.Buf)
	switch err := t.takeLines(); {
	case err == errMissed:
		return err
	case err != nil:
		t.feed.Logger.Warn("the end of the log is damaged", "error", err)
	}
	if err := t.handOn(ctx); err != nil {
		return err
	}
	return ended
}

// begin prepares the Tailer for a stream from a position on.
func (t *Tailer) begin(from position.Position, follow bool) {
	t.longestPause, t.repeats, t.following, t.finishing = maxPause, nil, follow, false
	switch {
	case !follow:
		t.longestPause = maxPauseOfSnapshot
	case t.container.OldEngine:
		t.repeats = newRepeats()
	}
	t.decoder = decoder{
		lines:   tail.Lines{MaxBytes: t.o.MaxLineBytes, Terminal: t.container.TTY, PieceBytes: t.o.PieceBytes},
		started: t.started.UnixNano(),
		broken:  t.passOver,
	}
	if t.container.Podman {
		t.decoder.unended = &unended{position: from}
	}
	t.mustFind, t.bytes = false, 0
	t.feed.Drop()
	t.feed.Chunk = t.o.Buffers.Get(smallChunk)
}

// maxPauseOfSnapshot is the longest pause while the Engine returns what the log contains: the Engine waits
// for its reader then.
const maxPauseOfSnapshot = 2 * time.Millisecond
