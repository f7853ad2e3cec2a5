// Package containers measures the resources that containers use, and serves them as a page under cAdvisor's
// names.
//
// A Collector reads the cgroup files of a container if they are mounted, and otherwise requests a sample of
// its statistics from the Engine. It measures one container after the other, each at its own moment within
// the interval, so that the Engine never has many requests at once. The page has the last sample of each
// container without a timestamp, so that a series ends when its container does.
//
// Unknown values are not on the page. For example, an Engine on cgroup v2 does not report how many times a
// container has read from a disk, but the cgroup files do.
package containers

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

const (
	// DefaultInterval is how often a container is measured.
	DefaultInterval = time.Minute
	// SizeInterval is how often the Engine is asked to determine the size of a container's files.
	SizeInterval = 30 * time.Minute
	// DefaultSizeDelay is the time from the start to the first such request.
	DefaultSizeDelay = 30 * time.Second

	// lookEvery is how often the wanted containers are listed. A new container waits at most that long for
	// its first sample.
	lookEvery = 5 * time.Second
	// firstSpread is the time over which the first samples of containers that appear together are spread.
	firstSpread = 4 * time.Second
	// maxMissed is the age, in intervals, up to which a sample is served. If it is older, the Engine hangs.
	maxMissed = 3
	// machineRetry is the pause after the Engine failed to report the size of its host.
	machineRetry = time.Minute
)

// Engine reports the resources that containers use. Each method blocks until the Engine has responded, or
// until ctx ends. The error wraps lighter.ErrGone if the container no longer exists.
type Engine interface {
	// Stats returns one sample. Values that the Engine does not know are zero.
	Stats(ctx context.Context, id string) (container.StatsResponse, error)
	// WritableBytes returns the size of the files that the container has written into its root file system.
	WritableBytes(ctx context.Context, id string) (int64, error)
	// Machine returns the size of the Engine's host.
	Machine(ctx context.Context) (lighter.Machine, error)
}

// Container is a container to measure. An empty Service or Project is not in its labels.
type Container struct {
	*lighter.Container
	Service string
	Project string
	Further labels.Labels // labels of its series, with Options.CAdvisor only, in place of Service and Project
}

// Options are what a Collector needs. Engine, Wanted and Logger are required.
type Options struct {
	Engine Engine
	// Wanted returns the presently wanted containers, including stopped ones, each once. It is called often
	// and from any goroutine, and must not block. The Collector does not change the result.
	Wanted func() []Container
	Logger *slog.Logger

	Interval  time.Duration // between two samples of a container; if 0, DefaultInterval
	SizeDelay time.Duration // before the first such request; if 0, DefaultSizeDelay

	// CgroupRoot is where the cgroup file system of the Engine's host may be mounted, such as
	// /sys/fs/cgroup. It is used only for containers that are found there. If it is empty, the Engine is
	// asked for everything.
	CgroupRoot string
	// ProcRoot is where a proc file system of the Engine's kernel is mounted. The host's has the network
	// counters of containers, which the cgroup files lack. That of the agent's own container has only the
	// names of disks; its processes are not mistaken for those of other containers. ProcRoot is empty if
	// the Engine is on another machine.
	ProcRoot string
	// DataRoot is where the Engine's data directory is mounted. If it is empty, the size of logs is
	// unknown.
	DataRoot string
	// CAdvisor makes the page have cAdvisor's metrics and no others; nil means lighter's own page.
	CAdvisor *CAdvisor
}

// Collector measures containers while it runs, and is a prometheus.Gatherer of the page. Its methods
// may be called from any goroutine.
type Collector struct {
	Options
	host host

	looking sync.Mutex // held while Wanted is called and its result is used, so that an older list never follows a newer one; locked before mu

	mu           sync.Mutex
	known        map[string]*known // by ID
	machine      lighter.Machine   // zero until known
	machineDue   time.Time         // when to ask the Engine for machine
	lastReported string            // the error that was logged last; empty after a success
}

// known is the state of a container. The Collector's lock guards it.
type known struct {
	run      time.Time // start of the run to which the fields below belong
	due      time.Time // when to measure the container next
	sampled  time.Time // when stats was taken
	stats    *stats    // immutable; nil if there is no sample of this run
	failure  string    // why the last attempt failed, or empty
	logBytes value
	size     value // of the files that it has written into its root file system
	ooms     ooms
}

// New returns a Collector that measures nothing until Run.
func New(o Options) *Collector {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.SizeDelay <= 0 {
		o.SizeDelay = DefaultSizeDelay
	}
	return &Collector{Options: o, host: newHost(o.CgroupRoot, o.ProcRoot, o.DataRoot), known: map[string]*known{}}
}

// Run measures containers until ctx ends. It may be called once.
func (c *Collector) Run(ctx context.Context) {
	var g sync.WaitGroup
	defer g.Wait()
	g.Go(func() { c.walk(ctx) })
	for ctx.Err() == nil {
		c.findMachine(ctx)
		w, wait := c.next(time.Now())
		if w.Container == nil || wait > lookEvery {
			sleep(ctx, lookEvery)
		} else if sleep(ctx, wait) {
			c.measure(ctx, w)
		}
	}
}

// next returns the running container that is due first, or none, and the time until then.
func (c *Collector) next(now time.Time) (first Container, wait time.Duration) {
	wanted := c.look(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range wanted {
		k := c.known[w.ID]
		if k == nil || !w.Running {
			continue
		}
		if d := k.due.Sub(now); first.Container == nil || d < wait {
			first, wait = w, d
		}
	}
	return first, wait
}

// look returns the wanted containers, and updates known to match.
func (c *Collector) look(now time.Time) []Container {
	c.looking.Lock()
	defer c.looking.Unlock()
	wanted := c.Wanted()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.updateLocked(wanted, now)
	return wanted
}

// updateLocked deletes containers that are gone, and what was measured in earlier runs of the others.
func (c *Collector) updateLocked(wanted []Container, now time.Time) {
	var begun []*known // new runs
	exists := make(map[string]bool, len(wanted))
	for _, w := range wanted {
		exists[w.ID] = true
		k := c.known[w.ID]
		switch {
		case k == nil:
			k = &known{run: w.Started, ooms: newOOMs(w.OOMKilled)}
			c.known[w.ID] = k
			begun = append(begun, k)
		case !k.run.Equal(w.Started):
			k.run, k.stats = w.Started, nil
			k.ooms.begin()
			begun = append(begun, k)
		}
		k.ooms.killed(w.OOMKilled)
		if !w.Running {
			k.stats = nil
		}
	}
	for i, k := range begun {
		k.due = now.Add(min(firstSpread, c.Interval/2) * time.Duration(i) / time.Duration(len(begun)))
	}
	for id := range c.known {
		if !exists[id] {
			delete(c.known, id)
		}
	}
}

// measure takes a sample of a container and keeps it.
func (c *Collector) measure(ctx context.Context, w Container) {
	s, err := c.sample(ctx, w)
	if ctx.Err() != nil {
		return
	}
	logBytes := c.host.logBytes(w.ID, w.LogDriver)
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.known[w.ID]
	if k == nil {
		return // the container is gone
	}
	k.due = c.moment(w.ID, now)
	k.logBytes = logBytes
	c.reportLocked(k, w, err)
	if !k.run.Equal(w.Started) {
		return // the container has been restarted, and is due at once
	}
	k.stats, k.sampled = s, now
	if s != nil && s.oomKills.known {
		k.ooms.counted(uint64(s.oomKills.v))
	}
}

// moment returns the next time after now at which to measure a container: a time within the interval that
// depends on its ID.
func (c *Collector) moment(id string, now time.Time) time.Time {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	at := now.Truncate(c.Interval).Add(time.Duration(h.Sum64() % uint64(c.Interval)))
	if !at.After(now) {
		at = at.Add(c.Interval)
	}
	return at
}

// findMachine asks the Engine for the size of its host until it succeeds.
func (c *Collector) findMachine(ctx context.Context) {
	now := time.Now()
	c.mu.Lock()
	wait := c.machine != lighter.Machine{} || now.Before(c.machineDue)
	if !wait {
		c.machineDue = now.Add(machineRetry)
	}
	c.mu.Unlock()
	if wait {
		return
	}
	m, err := c.Engine.Machine(ctx)
	if err != nil {
		return // others that depend on the Engine log its state
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.machine = m
}

// sleep waits for d. It returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
