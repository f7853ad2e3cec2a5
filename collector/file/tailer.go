package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"lighter"
	"lighter/collector/file/positionsyml"
	"lighter/collector/inotify"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// Options are what a Tailer works with; it owns none of it. Positions, Buffers, Metrics, Logger and Watcher
// are shared by all tailers of a process.
type Options struct {
	tail.Options
	Watcher *inotify.Watcher
	Reads   Reads // shared by the tailers that hand on to the same Logs; nil is no bound

	// Key is behind KeyPrefix in the key of the position; empty is the path. Two Tailers of one path with the
	// same KeyPrefix need different ones, see Sources.
	Key string

	// FromEnd has a file that is seen for the first time be read from its end, if it is there when Run begins
	// and was not made after Options.Begin.
	FromEnd       bool
	Encoding      string        // as the IANA calls it; empty is UTF-8. A byte order mark in a file wins
	Decompression string        // "gz", "bz2" or "z"; empty reads files as they are
	InitialDelay  time.Duration // before a packed file is read

	// A file that inotify does not tell about is looked at after MinPoll, and each look that finds nothing
	// doubles that up to MaxPoll. Zero is DefaultPoll.
	MinPoll, MaxPoll time.Duration

	// Legacy are positions that Promtail or Alloy wrote, for files that have none yet; nil has none.
	Legacy *positionsyml.Positions
}

// DefaultPoll is how often Alloy looks at files.
const DefaultPoll = 250 * time.Millisecond

// Reads bounds how many files are open for being read, and with that the memory that they are read into.
type Reads chan struct{}

// NewReads returns Reads for n files.
func NewReads(n int) Reads { return make(Reads, n) }

// acquire waits until there is room for one more, or until ctx ends.
func (r Reads) acquire(ctx context.Context) error {
	if r == nil {
		return ctx.Err()
	}
	select {
	case r <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r Reads) release() {
	if r != nil {
		<-r
	}
}

// Tailer follows one path. Run may be called once.
type Tailer struct {
	path   string
	labels string // of the target, as Alloy's positions have them
	feed   *tail.Feed
	o      Options
	set    coding // of files that do not say themselves
	err    error  // why it cannot run

	reader

	watch   *inotify.Watch
	wrote   chan struct{} // has a value when the file was written after it had been quiet
	changed chan struct{} // has a value when there is another file at the path
	timer   *time.Timer
	seen    look          // what was at the path when it was read last
	poll    time.Duration // after how long the path is looked at though nothing was told
	armed   bool          // inotify was to tell when wait was called last
	again   bool          // the path is read although it looks as it did
	untold  bool          // it was written once and inotify did not tell, and has told nothing since
}

// New returns a Tailer of a path that does nothing until Run. All entries are of the stream.
func New(path string, stream *lighter.Stream, o Options) *Tailer {
	if o.MinPoll <= 0 {
		o.MinPoll = DefaultPoll
	}
	o.MaxPoll = max(o.MinPoll, o.MaxPoll)
	if o.Key == "" {
		o.Key = path
	}
	if o.Watcher == nil {
		o.Watcher = &inotify.Watcher{}
	}
	t := &Tailer{
		path: path, labels: legacyLabels(stream.Labels), o: o,
		feed:    tail.NewLogFeed(o.Key, stream, o.Options, "file", path),
		wrote:   make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
	}
	t.set, t.err = encodingOf(o.Encoding)
	t.lines = tail.Lines{MaxBytes: o.MaxLineBytes, Terminal: true} // a CR before the newline is taken off
	return t
}

// Status returns what the Tailer does and has done. It may be called at any time.
func (t *Tailer) Status() tail.Status { return t.feed.State.Status() }

// State returns what Status is taken from. It outlives Run: a line may be delivered after Run has ended.
func (t *Tailer) State() *tail.State { return t.feed.State }

const (
	// step is the time between two reads of a file that is written all the time. Most of what a line costs is
	// the waking, and so the process is woken twice a second whatever is written.
	step = 500 * time.Millisecond
	// minIdle is after how long a path is looked at for the first time though inotify has not told that
	// anything happened. Each look that finds nothing doubles that, up to maxIdle.
	minIdle = 3 * time.Second
	maxIdle = time.Minute
	// keepOpen is how long a file is held open that is not written.
	keepOpen = time.Minute
	// lastLineWait is how long a last line without a newline is waited for. What a program writes through a
	// buffer may end in the middle of a line for long.
	lastLineWait = time.Minute
	// endWait is how long the lines that stages hold back may take when a file's target is gone.
	endWait = 5 * time.Second
)

// A file that cannot be read is tried again after a pause, which is doubled each time.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 30 * time.Second
)

// Run reads until ctx ends, which it reports as nil; any other error is one of Options. A file that cannot be
// read is tried again. If ctx ends with lighter.ErrGone as the cause and no file is at the path, its position is
// forgotten once all is acknowledged.
func (t *Tailer) Run(ctx context.Context) error {
	defer t.feed.Close()
	if t.err != nil {
		t.feed.State.End(t.err)
		return t.err
	}
	t.resume()
	t.watch = t.o.Watcher.Watch(t.path, t.wrote, t.changed, t.changed)
	defer t.watch.Close()
	t.timer = time.NewTimer(time.Hour)
	defer t.timer.Stop()
	defer t.close()
	t.poll, t.again = t.minPoll(), true
	t.feed.State.Set(tail.Following)
	if t.o.Decompression != "" && t.o.InitialDelay > 0 {
		_ = t.sleep(ctx, t.o.InitialDelay) // with an error the next step ends
	}
	for pause := minRetry; ; pause = min(2*pause, maxRetry) {
		before := t.offset
		err := t.follow(ctx)
		if ctx.Err() != nil {
			t.end(ctx)
			return nil
		}
		t.close()
		t.again = t.o.Decompression == "" // a packed file that is broken gets no better unless it is written
		if t.offset != before {
			pause = minRetry
		}
		t.o.Metrics.Reopens.Broken.Inc()
		if t.feed.State.Break(err) {
			t.feed.Logger.Warn("the file cannot be read, trying again", "error", advise(err), "in", pause)
		}
		select {
		case <-t.changed: // there may be another one
		case <-t.after(pause):
		case <-ctx.Done():
		}
	}
}

// end ends a Tailer whose context has ended.
func (t *Tailer) end(ctx context.Context) {
	t.feed.State.End(nil)
	if !errors.Is(context.Cause(ctx), lighter.ErrGone) {
		return
	}
	if l, err := lookAt(t.path); err != nil || l.exists {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWait)
	defer cancel()
	_, err := t.drain(last)
	if t.flushing = t.partial > 0; t.flushing && err == nil {
		_, err = t.drain(last) // what cannot be read any more is gone with the file
	}
	if err = errors.Join(err, t.feed.End(last)); err != nil {
		t.o.Logger.Warn("a file is gone before all of it was handed on, and the rest of it is lost", "file", t.path, "read_bytes", t.offset, "waited", endWait, "error", err)
	}
	t.feed.Cursor().Gone()
}

// advise adds to an error what the user can do about it.
func advise(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; let the user of the agent read it, for example by the group of the file", err)
	}
	return err
}

// resume finds out where reading goes on.
func (t *Tailer) resume() {
	at, mark := t.feed.From()
	t.feed.Begin(position.SkipLines(0))
	t.trail = parseTrail(t.feed.Cursor().Noted())
	if len(t.trail) == 0 && at.HasLines() {
		t.trail = trail{{Inode: mark.Inode, Anchors: []anchor{{mark.Offset, at.Time}}, Until: mark.Offset}}
	}
	if len(t.trail) == 0 {
		return
	}
	t.at, t.offset = t.trail.find(at.Time)
	if mark.Offset == t.offset {
		t.mark = mark
	}
	t.lastTime = max(at.Time, t.trail[len(t.trail)-1].last())
}

// follow reads until ctx ends or something fails.
func (t *Tailer) follow(ctx context.Context) error {
	for {
		byClock, err := t.await(ctx)
		if err != nil {
			return err
		}
		read, err := t.drain(ctx)
		if err != nil {
			return err
		}
		t.feed.State.Set(tail.Following)
		if read {
			t.untold = t.untold || byClock && t.armed
			t.poll = t.minPoll()
		}
		if read || t.away { // what is not at the path is not watched
			if err := t.sleep(ctx, step); err != nil {
				return err
			}
		}
	}
}

// await waits until there may be something to read, and reports whether nobody but the clock told so.
func (t *Tailer) await(ctx context.Context) (byClock bool, err error) {
	for {
		now, err := lookAt(t.path)
		if err != nil {
			return false, err
		}
		if now != t.seen || t.away || t.again || t.overdue() {
			t.seen = now
			return byClock, nil
		}
		if byClock {
			t.poll = min(2*t.poll, t.maxPoll())
		}
		t.rest()
		if byClock, err = t.wait(ctx); err != nil {
			return false, err
		}
	}
}

// rest closes a file that is quiet.
func (t *Tailer) rest() {
	if t.file != nil && time.Since(t.lastRead) > keepOpen && t.passing == nil {
		t.close()
	}
}

func (t *Tailer) polls() bool { return t.untold || !t.watch.Tells() }

func (t *Tailer) minPoll() time.Duration {
	if t.polls() {
		return t.o.MinPoll
	}
	return minIdle
}

func (t *Tailer) maxPoll() time.Duration {
	if t.polls() {
		return t.o.MaxPoll
	}
	return maxIdle
}

// wait waits until it is worth looking at the path, and reports whether that is by the clock alone.
func (t *Tailer) wait(ctx context.Context) (byClock bool, err error) {
	t.armed = t.watch.Arm() && t.watch.Tells()
	if now, err := lookAt(t.path); err != nil || now != t.seen {
		return false, err // inotify does not tell of what happened before
	}
	idle := t.poll
	if !t.armed {
		idle = min(idle, t.o.MaxPoll)
	}
	if t.partial > 0 {
		idle = min(idle, max(time.Until(t.partialSince.Add(lastLineWait)), time.Millisecond))
	}
	select {
	case <-t.wrote:
		t.untold = false
	case <-t.changed:
	case <-t.after(idle):
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return false, nil
}

// sleep waits until the clock shows a multiple of d. All logs wait for the same moments, so that the process
// wakes up once for all of them.
func (t *Tailer) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-t.after(d - time.Duration(time.Now().UnixNano()%int64(d))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// after is time.After with the one timer that a Tailer has.
func (t *Tailer) after(d time.Duration) <-chan time.Time {
	t.timer.Reset(d)
	return t.timer.C
}
