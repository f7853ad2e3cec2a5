package filelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"lighter"
	"lighter/collector/inotify"
	"lighter/collector/tail"
)

// Containers knows the present state of containers.
type Containers interface {
	// Container returns the present description of a container. ok is false if the container no longer
	// exists. It does not block.
	Container(id string) (c *lighter.Container, ok bool)
}

// Options are what all tailers of a process share. A Tailer owns none of it.
type Options struct {
	tail.Options
	Root       string // where the Engine's data directory is mounted
	Containers Containers
	Watcher    *inotify.Watcher
}

// Tailer follows the log of one container. Run may be called once.
type Tailer struct {
	reader
	containers Containers
	watch      *inotify.Watch
	watcher    *inotify.Watcher

	wrote    chan struct{} // receives a value when the log was written after a quiet time
	look     chan struct{} // receives a value when there is a new file, or the container has changed
	lastRead time.Time
	absent   bool // there was no file at the last check
	timer    *time.Timer
	poll     time.Duration // after how long the log is checked although inotify has not reported a write
	byClock  bool          // the log is being checked because that time has passed
	untold   bool          // a write was found that inotify did not report, and it has reported nothing since
}

// New returns a Tailer that does nothing until Run. The streams are those of stdout and stderr; the lines
// of a nil stream are dropped.
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

// State returns the State that Status reads. It outlives Run: a line may be delivered after Run has ended.
func (t *Tailer) State() *tail.State { return t.feed.State }

// Wake makes the Tailer check the state of its container. It may be called at any time and does not block.
// Without it the Tailer checks by the clock.
func (t *Tailer) Wake() { wake(t.look) }

// wake puts a value into a channel with a capacity of one, unless it is full.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

const (
	// step is the time between two reads of a log that is written all the time. Waking up is most of the
	// cost of a line, so the process wakes up twice a second however much is written.
	step = 500 * time.Millisecond
	// minPoll is the time after which a log is first checked although inotify has not reported a write.
	// Each check that finds nothing doubles it, up to maxPoll.
	minPoll = 3 * time.Second
	maxPoll = time.Minute
	// pollAlone is how often a log is checked where inotify does not work, as on some file systems of
	// virtual machines.
	pollAlone = time.Second
)

// A log that cannot be read is tried again after a pause, which doubles each time.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 30 * time.Second
)

// Run reads until ctx ends, and then returns nil, or until there is nothing more to read: tail.ErrStopped,
// lighter.ErrGone, ErrDriver. It retries a log that cannot be read.
func (t *Tailer) Run(ctx context.Context) error {
	defer t.feed.Close()
	if err := driver(t.container); err != nil {
		t.feed.State.End(err)
		return err
	}
	t.feed.Start()
	t.watch = t.watcher.Watch(t.path, t.wrote, t.look, nil)
	defer t.watch.Close()
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
			_ = t.feed.End(ctx) // on error ctx has ended, and the log will be read again from there
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
		case <-t.look: // the file may exist now
			t.rotation = true
		case <-t.after(pause):
		case <-ctx.Done():
		}
	}
}

// advise adds advice for the user to an error.
func advise(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; only root may list the folder of a log: run the agent as root, or set %s", err, lighter.SettingSocketSource)
	case errors.Is(err, errNoFile):
		return fmt.Errorf("%w; mount the Engine's data directory read-only at the path in %s, or set %s", err, lighter.SettingDockerRoot, lighter.SettingSocketSource)
	}
	return err
}

// follow reads until the container has ended and its log is read, or until an error.
func (t *Tailer) follow(ctx context.Context) error {
	for {
		end := t.end() // before reading: the Engine writes all of the log before the container has ended
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

// errNoFile means that a container runs, but its log file does not exist.
var errNoFile = errors.New("the container runs, but there is no such file")

// missing returns an error if a running container's log is missing for the second time. The Engine creates
// the file before it starts a container, but while it rotates a log there is no file for a moment.
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

// wait waits until reading is worthwhile. It returns at once for the first line after a pause, and at the
// end of a step for a log that is written all the time.
func (t *Tailer) wait(ctx context.Context) error {
	idle := t.poll
	if t.untold {
		idle = pollAlone
	}
	if !t.watch.Arm() {
		idle, t.rotation = pollAlone, true
	}
	if !t.grown() { // inotify does not report earlier writes
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

// next returns the time until the clock reaches a multiple of step. All logs wait for the same moments, so
// that the process wakes up once for all of them.
func next(step time.Duration) time.Duration {
	return step - time.Duration(time.Now().UnixNano()%int64(step))
}

// after is time.After with a timer that the Tailer reuses.
func (t *Tailer) after(d time.Duration) <-chan time.Time {
	t.timer.Reset(d)
	return t.timer.C
}
