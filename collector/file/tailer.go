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

// Options are the dependencies and settings of a Tailer, which owns none of them. Positions, Buffers, Metrics, Logger and Watcher
// are shared by all tailers of a process.
type Options struct {
	tail.Options
	Watcher *inotify.Watcher
	Reads   Reads // shared by the tailers that hand on to the same Logs; nil is no bound

	// Key follows KeyPrefix in the key of the position; if empty, it is the path. Two Tailers of one path with
	// the same KeyPrefix need different ones, see Sources.
	Key string

	// FromEnd makes reading a new file start at its end, if the file exists when Run begins and was not created
	// after Options.Begin.
	FromEnd       bool
	Encoding      string        // its IANA name; empty means UTF-8. A byte order mark in a file takes precedence
	Decompression string        // "gz", "bz2" or "z"; empty reads files as they are
	InitialDelay  time.Duration // before a packed file is read

	// If inotify does not report changes of a file, the file is checked after MinPoll. The interval doubles with
	// each check that finds nothing, up to MaxPoll. If 0, MinPoll is defaultPoll.
	MinPoll, MaxPoll time.Duration

	// Legacy contains positions that Promtail or Alloy wrote, for files without a position; it may be nil.
	Legacy *positionsyml.Positions
}

// defaultPoll is how often Alloy checks files.
const defaultPoll = 250 * time.Millisecond

// Reads limits how many files are read at the same time, and thereby the memory that they are read into.
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
	set    coding // of files without a byte order mark
	err    error  // why it cannot run

	reader

	watch   *inotify.Watch
	wrote   chan struct{} // has a value when the file was written after it had been quiet
	changed chan struct{} // has a value when there is another file at the path
	timer   *time.Timer
	seen    look          // the path, when it was last read
	poll    time.Duration // after how long the path is checked although no change was reported
	armed   bool          // inotify could report changes when wait was last called
	again   bool          // read the path although it looks unchanged
	untold  bool          // inotify has once failed to report a write, and has reported nothing since
}

// New returns a Tailer of a path that does nothing until Run. All entries are of the stream.
func New(path string, stream *lighter.Stream, o Options) *Tailer {
	if o.MinPoll <= 0 {
		o.MinPoll = defaultPoll
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
	// step is the time between two reads of a file that is written constantly. Most of the cost of a line is
	// waking up, so the process wakes up at most twice a second, however much is written.
	step = 500 * time.Millisecond
	// minIdle is the time before the first check of a path for which inotify reports no change. The interval
	// doubles with each check that finds nothing, up to maxIdle.
	minIdle = 3 * time.Second
	maxIdle = time.Minute
	// keepOpen is how long a file that is not written stays open.
	keepOpen = time.Minute
	// lastLineWait is how long a last line may lack its newline before it is handed on. The output of a program
	// that buffers may end in the middle of a line for a long time.
	lastLineWait = time.Minute
	// endWait limits handing on the rest of a file whose target is gone.
	endWait = 5 * time.Second
)

// Pauses before a file that cannot be read is tried again. They double each time.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 30 * time.Second
)

// Run reads until ctx ends, and then returns nil. Any other result is an error in Options. A file that cannot
// be read is tried again. If the cause of ctx's end is lighter.ErrGone and there is no file at the path, its
// position is forgotten once everything is acknowledged.
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
		t.again = t.o.Decompression == "" // a broken compressed file stays broken until it is written
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
		_, err = t.drain(last) // whatever cannot be read any more is gone with the file
	}
	if err = errors.Join(err, t.feed.End(last)); err != nil {
		t.o.Logger.Warn("a file is gone before all of it was handed on, and the rest of it is lost", "file", t.path, "read_bytes", t.offset, "waited", endWait, "error", err)
	}
	t.feed.Cursor().Gone()
}

// advise adds advice for the user to an error.
func advise(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; let the user of the agent read it, for example by the group of the file", err)
	}
	return err
}

// resume determines where reading continues.
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
		if read || t.away { // a file that is not at the path is not watched
			if err := t.sleep(ctx, step); err != nil {
				return err
			}
		}
	}
}

// await waits until there may be something to read. byClock reports that only the clock ended the wait.
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

// rest closes the file if it has not been written for a while.
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

// sleep waits until the time is a multiple of d. All logs wait for the same moments, so that the process wakes
// up once for all of them.
func (t *Tailer) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-t.after(d - time.Duration(time.Now().UnixNano()%int64(d))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// after is time.After with the Tailer's only timer.
func (t *Tailer) after(d time.Duration) <-chan time.Time {
	t.timer.Reset(d)
	return t.timer.C
}
