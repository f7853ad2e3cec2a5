package collector

import (
	"context"
	"errors"
	"sync"
	"time"

	"lighter"
)

// Job is one thing to collect from.
type Job struct {
	ID string // what it is, unique among the jobs of a Manager
	// Version is what the Runner is made of. When it changes the running one is stopped,
	// and a new one takes over where it was.
	Version string
	// Wake is what may make a Runner that has ended by itself worth starting again, such
	// as the time of a container's last start. A running one is not disturbed.
	Wake string
	// New makes the Runner. It is called at most once a start.
	New func() (Runner, error)
}

// Runner collects until ctx ends. It may end earlier, when there is nothing left to do.
type Runner interface {
	Run(ctx context.Context) error
}

// Manager keeps a Runner running for each wanted Job. It compares the jobs that are wanted
// with the Runners that it has, at each Sync and whenever a Runner has ended. Its methods may
// be called from any goroutine.
type Manager struct {
	grace time.Duration
	ended func(Job, Runner, error)

	mu       sync.Mutex
	wanted   map[string]Job    // by id, as the last Sync gave them
	children map[string]*child // by id of their job
	stopped  bool
	running  sync.WaitGroup
}

// child is the Runner of a job. A child that was told to stop is dropped when it has ended,
// so that its job is started again if it is wanted by then. One that ended by itself is kept
// while its job is wanted, so that it is not started again for nothing.
type child struct {
	job      Job    // as it was started
	runner   Runner // nil once it has ended by itself
	cancel   context.CancelCauseFunc
	stopping bool          // it was told to stop
	ended    chan struct{} // closed when it has ended
	grace    *time.Timer   // until it is told to stop; nil while its job is wanted
}

// NewManager returns a Manager that gives the Runner of a job that is wanted no more
// grace to end by itself, before its context ends with lighter.ErrGone as the cause. ended is told
// of each Runner that has ended, or, with a nil Runner, that could not be made; it must not
// call the Manager.
func NewManager(grace time.Duration, ended func(Job, Runner, error)) *Manager {
	return &Manager{grace: grace, ended: ended, children: map[string]*child{}}
}

// Sync makes what runs what is wanted. It does not wait for Runners to end: a job whose last
// Runner is still ending is started when that has ended.
func (m *Manager) Sync(jobs []Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = make(map[string]Job, len(jobs))
	for _, j := range jobs {
		m.wanted[j.ID] = j
	}
	for _, j := range jobs {
		m.reconcileLocked(j.ID)
	}
	for id := range m.children {
		if _, wanted := m.wanted[id]; !wanted {
			m.reconcileLocked(id)
		}
	}
}

// reconcileLocked starts or stops the Runner of one job if it is not as it is wanted.
func (m *Manager) reconcileLocked(id string) {
	want, wanted := m.wanted[id]
	c := m.children[id]
	switch {
	case m.stopped:
	case c == nil:
		if wanted {
			m.startLocked(want)
		}
	case c.stopping: // reap looks again when it has ended
	case c.runner == nil:
		if !wanted {
			delete(m.children, id)
		} else if c.job.Version != want.Version || c.job.Wake != want.Wake {
			m.startLocked(want)
		}
	case !wanted:
		m.leaveLocked(c)
	default:
		c.endGrace()
		if c.job.Version != want.Version {
			c.stop(nil)
		}
	}
}

// leaveLocked stops a child whose job is wanted no more, after its grace.
func (m *Manager) leaveLocked(c *child) {
	switch {
	case m.grace == 0:
		c.stop(lighter.ErrGone)
	case c.grace == nil:
		var timer *time.Timer
		timer = time.AfterFunc(m.grace, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if c.grace == timer { // and not one that has begun since
				c.stop(lighter.ErrGone)
			}
		})
		c.grace = timer
	}
}

// endGrace lets a child go on whose job is wanted again.
func (c *child) endGrace() {
	if c.grace != nil {
		c.grace.Stop()
		c.grace = nil
	}
}

func (c *child) stop(cause error) {
	c.endGrace()
	c.stopping = true
	c.cancel(cause)
}

func (m *Manager) startLocked(j Job) {
	runner, err := j.New()
	c := &child{job: j, runner: runner, ended: make(chan struct{})}
	m.children[j.ID] = c
	if err != nil {
		c.runner = nil
		m.ended(j, nil, err)
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.cancel = cancel
	m.running.Go(func() {
		err := runner.Run(ctx)
		cancel(nil)
		m.reap(c, runner, err)
	})
}

// reap notes that a Runner has ended, and starts what is wanted in its place.
func (m *Manager) reap(c *child, runner Runner, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended(c.job, runner, err)
	close(c.ended)
	c.endGrace()
	c.runner = nil
	if c.stopping {
		delete(m.children, c.job.ID)
	}
	m.reconcileLocked(c.job.ID)
}

// End stops the Runners of the jobs that match, at once and without a grace, and waits for them.
// They are started again by the next Sync that wants them. match must not call the Manager.
func (m *Manager) End(match func(Job) bool) {
	m.mu.Lock()
	var ended []chan struct{}
	for id, c := range m.children {
		if !match(c.job) {
			continue
		}
		delete(m.wanted, id)
		if c.runner == nil && !c.stopping {
			delete(m.children, id)
			continue
		}
		if !c.stopping {
			c.stop(nil)
		}
		ended = append(ended, c.ended)
	}
	m.mu.Unlock()
	for _, done := range ended {
		<-done
	}
}

// Each calls f for every Runner that runs.
func (m *Manager) Each(f func(Job, Runner)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.children {
		if c.runner != nil {
			f(c.job, c.runner)
		}
	}
}

// Stop ends all Runners and waits for them. Nothing is started afterwards.
func (m *Manager) Stop() {
	m.mu.Lock()
	m.stopped = true
	for _, c := range m.children {
		if c.runner != nil {
			c.stop(errStopping)
		}
	}
	m.mu.Unlock()
	m.running.Wait()
}

var errStopping = errors.New("the agent stops")
