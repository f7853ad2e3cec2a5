package filelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"lighter"
	"lighter/collector/tail"
)

// Containers knows what has become of a container.
type Containers interface {
	// Container returns what is known of a container at present; ok is false if it exists no
	// more. It does not block.
	Container(id string) (c *lighter.Container, ok bool)
}

// Options are what all tailers of a process share; a Tailer owns none of it.
type Options struct {
	tail.Options
	Root       string // where the Engine's data directory is mounted
	Containers Containers
	Watcher    *Watcher
}

// Tailer follows the log of one container. Run may be called once.
type Tailer struct {
	reader
	containers Containers
	watch      *watch
	watcher    *Watcher

	wrote    chan struct{} // has a value when the log was written after it had been quiet
	look     chan struct{} // has a value when there is a new file, or the container has changed
	lastRead time.Time
	absent   bool // there was no file when the Tailer looked last
	timer    *time.Timer
	poll     time.Duration // after how long the log is looked at though it was not told that it was written
	byClock  bool          // it is looked at because that time has passed
	untold   bool          // it was written once and inotify did not tell, and has told nothing since
}

// New returns a Tailer that does nothing until Run. The streams are stdout's and
// stderr's; lines of one that is nil are passed over.
func New(c *lighter.Container, out, err *lighter.Stream, o Options) *Tailer {
	return &Tailer{
		reader:     newReader(c, tail.NewFeed(c, out, err, o.Options), o),
		containers: o.Containers,
		watcher:    o.Watcher,
		wrote:      make(chan struct{}, 1),
		look:       make(chan struct{}, 1),
		poll:       minPoll,
	}
}

// Status returns what the Tailer does and has done. It may be called at any time.
func (t *Tailer) Status() tail.Status { return t.feed.State.Status() }

// State returns what Status is taken from. It outlives Run: a line may be delivered after Run has ended.
func (t *Tailer) State() *tail.State { return t.feed.State }

// Wake has the Tailer find out what has become of its container. It may be called at any time and
// does not block. Without it the Tailer finds out by the clock.
func (t *Tailer) Wake() { wake(t.look) }

const (
	// step is the time between two reads of a log that is written all the time. Most of what a line costs
	// is the waking, and so the process is woken twice a second whatever is written.
	step = 500 * time.Millisecond
	// minPoll is after how long a log is looked at for the first time though inotify has not told
	// that it was written. Each look that finds nothing doubles that, up to maxPoll.
	minPoll = 3 * time.Second
	maxPoll = time.Minute
	// pollAlone is how often a log is looked at where inotify does not tell, as with some file
	// systems of virtual machines.
	pollAlone = time.Second
)

// A log that cannot be read is tried again after a pause, which is doubled each time.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 30 * time.Second
)

// Run reads until ctx ends, which it reports as nil, or until there is nothing more to
// read: tail.ErrStopped, lighter.ErrGone, ErrDriver. A log that cannot be read is tried again.
func (t *Tailer) Run(ctx context.Context) error {
	defer t.feed.Close()
	if err := driver(t.container); err != nil {
		t.feed.State.End(err)
		return err
	}
	t.feed.Start()
	t.watch = t.watcher.watch(t.path, t.wrote, t.look)
	defer t.watch.close()
	t.timer = time.NewTimer(minPoll)
	defer t.timer.Stop()
	defer t.close()

	for pause := minRetry; ; pause = min(2*pause, maxRetry) {
		before, _ := t.feed.From()
		err := t.follow(ctx)
		t.feed.Interrupted()
		if ctx.Err() != nil {
			t.feed.State.End(nil)
			return nil
		}
		if errors.Is(err, tail.ErrStopped) || errors.Is(err, lighter.ErrGone) {
			_ = t.feed.End(ctx) // with an error ctx has ended, and the log is read again from there
			t.feed.State.End(err)
			return err
		}
		if now, _ := t.feed.From(); now != before {
			pause = minRetry
		}
		t.metrics.Reopens.Broken.Inc()
		if err = advise(err); t.feed.State.Break(err) {
			t.feed.Logger.Warn("the log file cannot be read, trying again", "error", err, "in", pause)
		}
		select {
		case <-t.look: // the file may have come
			t.rotation = true
		case <-t.after(pause):
		case <-ctx.Done():
		}
	}
}

// advise adds to an error what the user can do about it.
func advise(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; only root may list the folder of a log: run the agent as root, or set %s", err, lighter.SettingSocketSource)
	case errors.Is(err, errNoFile):
		return fmt.Errorf("%w; mount the Engine's data directory, read-only, where %s says, or set %s", err, lighter.SettingDockerRoot, lighter.SettingSocketSource)
	}
	return err
}

// follow reads until the container has ended and its log is read, or until something fails.
func (t *Tailer) follow(ctx context.Context) error {
	for {
		end := t.end() // before reading: when a container has ended the Engine has written all of its log
		t.rotation = t.rotation || end != nil
		read, err := t.drain(ctx)
		if err != nil {
			return err
		}
		if end != nil {
			if err := t.finish(ctx); err != nil {
				return err
			}
			return end
		}
		if err := t.missing(); err != nil {
			return err
		}
		if read {
			t.lastRead = time.Now()
			t.untold = t.untold || t.byClock
		} else if t.byClock && t.poll < maxPoll {
			t.poll = min(2*t.poll, maxPoll)
		}
		t.byClock = false
		t.feed.Reading()
		if err := t.wait(ctx); err != nil {
			return err
		}
	}
}

// errNoFile means that a container runs, but has no log where it should be.
var errNoFile = errors.New("the container runs, but there is no such file")

// missing returns an error if a container that runs has no log for the second time. The Engine creates the
// file before it starts a container, but while it rotates a log there is no file for a moment.
func (t *Tailer) missing() error {
	before := t.absent
	t.absent = len(t.files) == 0
	if before && t.absent {
		return fmt.Errorf("open the log %s: %w", t.path, errNoFile)
	}
	return nil
}

// end returns why nothing more will be written to the log, or nil if something may be.
func (t *Tailer) end() error {
	switch c, ok := t.containers.Container(t.container.ID); {
	case !ok:
		return lighter.ErrGone
	case !c.Running:
		return tail.ErrStopped
	}
	return nil
}

// wait waits until it is worth reading on. It ends at once for the first line after a pause, and at the
// end of a step for a log that is written all the time.
func (t *Tailer) wait(ctx context.Context) error {
	idle := t.poll
	if t.untold {
		idle = pollAlone
	}
	if !t.watch.arm() {
		idle, t.rotation = pollAlone, true
	}
	if !t.grown() { // inotify does not tell of what was written before
		select {
		case <-t.wrote:
			t.untold = false
		case <-t.look:
			t.rotation = true
			return nil
		case <-t.after(next(idle)):
			t.rotation, t.byClock = true, true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if time.Since(t.lastRead) >= step {
		return nil
	}
	select {
	case <-t.look:
		t.rotation = true
	case <-t.after(next(step)):
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// next returns how long it is until the clock shows a multiple of a step. All logs wait for the
// same moments, so that the process wakes up once for all of them.
func next(step time.Duration) time.Duration {
	return step - time.Duration(time.Now().UnixNano()%int64(step))
}

// after is time.After with the one timer that a Tailer has.
func (t *Tailer) after(d time.Duration) <-chan time.Time {
	t.timer.Reset(d)
	return t.timer.C
}
