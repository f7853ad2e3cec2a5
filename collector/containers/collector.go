// Package containers measures what containers use, and serves that as a page under cAdvisor's names.
//
// A Collector reads the cgroup files of a container where they are mounted, and asks the Engine for a
// sample of its statistics where they are not. It measures one container after the other, each at a
// moment of its own within the interval, so that the Engine never has many to do at once. The page has
// the last sample of each container without a time, so that a series ends when its container does.
//
// What is not known of a container is not on the page: an Engine on cgroup v2, for example, does not
// tell how many times a container has read from a disk, but the cgroup files do.
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
	// DefaultSizeInterval is how often the Engine is asked to walk a container's files.
	DefaultSizeInterval = 30 * time.Minute
	// DefaultSizeDelay is how long after the start the first walk begins.
	DefaultSizeDelay = 30 * time.Second

	// lookEvery is how often the containers are listed that are wanted. It is how long a new one waits
	// for its first sample at most.
	lookEvery = 5 * time.Second
	// firstSpread is the time over which the first samples of containers are spread that are new at the
	// same time.
	firstSpread = 4 * time.Second
	// maxMissed is how many intervals old a sample may be. An older one is not served: the Engine hangs.
	maxMissed = 3
	// machineRetry is how long the Engine is left alone after it did not tell the size of its host.
	machineRetry = time.Minute
)

// Engine tells what containers use. Each method blocks until the Engine has answered, or until ctx ends.
// The error wraps lighter.ErrGone if the container does not exist any more.
type Engine interface {
	// Stats returns one sample. What the Engine does not know is zero.
	Stats(ctx context.Context, id string) (container.StatsResponse, error)
	// WritableBytes returns the size of what the container has written into its root file system.
	WritableBytes(ctx context.Context, id string) (int64, error)
	// Machine returns the size of the Engine's host.
	Machine(ctx context.Context) (lighter.Machine, error)
}

// Container is a container to be measured. An empty Service or Project is left out of its labels.
type Container struct {
	*lighter.Container
	Service string
	Project string
	Further labels.Labels // of its series, with Options.CAdvisor alone, in place of Service and Project
}

// Options are what a Collector needs. Engine, Wanted and Logger are required.
type Options struct {
	Engine Engine
	// Wanted returns the containers that are wanted now, stopped ones too, each once. It is called often
	// and from any goroutine, and must not block. The Collector does not change what it returns.
	Wanted func() []Container
	Logger *slog.Logger

	Interval     time.Duration // between two samples of a container; DefaultInterval if 0
	SizeInterval time.Duration // between two walks of a container's files; DefaultSizeInterval if 0
	SizeDelay    time.Duration // before the first walk; DefaultSizeDelay if 0

	// CgroupRoot is where the cgroup file system of the Engine's host may be mounted, such as
	// /sys/fs/cgroup. It is looked at only for containers that are found there. If empty, the Engine is
	// asked for everything.
	CgroupRoot string
	// ProcRoot is where a proc file system of the Engine's kernel is mounted. The host's has the network
	// counters of containers that the cgroup files lack. That of the agent's own container has only the
	// names of disks, and its processes are not mistaken for those of other containers. It is empty if
	// the Engine is on another machine.
	ProcRoot string
	// DataRoot is where the Engine's data directory is mounted. If empty, the size of logs is not known.
	DataRoot string
	// CAdvisor is what the page is set to that has what cAdvisor's has and no more; nil is a page of our own.
	CAdvisor *CAdvisor
}

// Collector measures containers while it runs, and is a prometheus.Gatherer of the page. Its methods
// may be called from any goroutine.
type Collector struct {
	Options
	host host

	looking sync.Mutex // held over Wanted and what is made of it, so that an older list never follows a newer one; taken before mu

	mu           sync.Mutex
	known        map[string]*known // by id
	machine      lighter.Machine   // zero until it is known
	machineDue   time.Time         // when the Engine may be asked for it
	lastReported string            // the error that was logged last; empty after a success
}

// known is what is known of a container. The Collector's lock guards it.
type known struct {
	run      time.Time // when the run began that the fields below are of
	due      time.Time // when the container is measured next
	sampled  time.Time // when stats was taken
	stats    *stats    // never changed; nil if there is no sample of this run
	failure  string    // why the last attempt failed; empty if it did not
	logBytes value
	size     value // of what it has written into its root file system
	ooms     ooms
}

// New returns a Collector that measures nothing until Run.
func New(o Options) *Collector {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.SizeInterval <= 0 {
		o.SizeInterval = DefaultSizeInterval
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

// next returns the running container that is due first, or none, and how long it is until then.
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

// look returns the containers that are wanted, after it has brought what is known in line with them.
func (c *Collector) look(now time.Time) []Container {
	c.looking.Lock()
	defer c.looking.Unlock()
	wanted := c.Wanted()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.updateLocked(wanted, now)
	return wanted
}

// updateLocked forgets containers that are gone, and what was measured in earlier runs of the others.
func (c *Collector) updateLocked(wanted []Container, now time.Time) {
	var begun []*known // runs that are new
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
		return // it is gone
	}
	k.due = c.moment(w.ID, now)
	k.logBytes = logBytes
	c.reportLocked(k, w, err)
	if !k.run.Equal(w.Started) {
		return // it has been started again meanwhile, and is due at once
	}
	k.stats, k.sampled = s, now
	if s != nil && s.oomKills.known {
		k.ooms.counted(uint64(s.oomKills.v))
	}
}

// moment returns when a container is measured after now: at a time within the interval that depends on
// its id.
func (c *Collector) moment(id string, now time.Time) time.Time {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	at := now.Truncate(c.Interval).Add(time.Duration(h.Sum64() % uint64(c.Interval)))
	if !at.After(now) {
		at = at.Add(c.Interval)
	}
	return at
}

// findMachine asks the Engine for the size of its host until it has told it.
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
		return // the Engine's state is logged by those that depend on it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.machine = m
}

// sleep waits for d and reports whether ctx has not ended meanwhile.
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
