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
	ID string // identifies the job among those of a Manager
	// Version identifies the configuration of the Runner. When it changes, the Manager stops the running
	// Runner, and a new one takes over.
	Version string
	// Wake changes when it may be worthwhile to restart a Runner that has ended by itself; for example, it
	// is the time of a container's last start. It does not affect a running Runner.
	Wake string
	// New makes the Runner. It is called at most once per start.
	New func() (Runner, error)
}

// Runner collects until ctx ends. It may end earlier if there is nothing left to do.
type Runner interface {
	Run(ctx context.Context) error
}

// Manager keeps a Runner running for each wanted Job. At each Sync, and whenever a Runner has ended, it
// compares the wanted jobs with its Runners. Its methods may be called from any goroutine.
type Manager struct {
	grace time.Duration
	ended func(Job, Runner, error)

	mu       sync.Mutex
	wanted   map[string]Job    // by ID, from the last Sync
	children map[string]*child // by ID of their job
	stopped  bool
	running  sync.WaitGroup
}

// child is the Runner of a job. A child that was told to stop is removed when it has ended, so that its job
// is started again if it is wanted by then. A child that ended by itself is kept while its job is wanted,
// so that it is not restarted needlessly.
type child struct {
	job      Job    // as it was started
	runner   Runner // nil once it has ended by itself
	cancel   context.CancelCauseFunc
	stopping bool          // it was told to stop
	ended    chan struct{} // closed when it has ended
	grace    *time.Timer   // until the Runner is told to stop; nil while its job is wanted
}

// NewManager returns a Manager. When a job is no longer wanted, its Runner has the time grace to end by
// itself before its context ends with lighter.ErrGone as the cause. The Manager calls ended for each Runner
// that has ended, and with a nil Runner if it could not be made; ended must not call the Manager.
func NewManager(grace time.Duration, ended func(Job, Runner, error)) *Manager {
	return &Manager{grace: grace, ended: ended, children: map[string]*child{}}
}

// Sync sets the wanted jobs. It does not wait for Runners to end: if the last Runner of a job is still
// ending, the next one starts after it has ended.
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

// reconcileLocked starts or stops the Runner of one job if necessary.
func (m *Manager) reconcileLocked(id string) {
	want, wanted := m.wanted[id]
	c := m.children[id]
	switch {
	case m.stopped:
	case c == nil:
		if wanted {
			m.startLocked(want)
		}
	case c.stopping: // reap checks again when it has ended
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

// leaveLocked stops a child whose job is no longer wanted, after its grace.
func (m *Manager) leaveLocked(c *child) {
	switch {
	case m.grace == 0:
		c.stop(lighter.ErrGone)
	case c.grace == nil:
		var timer *time.Timer
		timer = time.AfterFunc(m.grace, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if c.grace == timer { // not a grace that has begun since
				c.stop(lighter.ErrGone)
			}
		})
		c.grace = timer
	}
}

// endGrace lets a child continue because its job is wanted again.
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

// reap records that a Runner has ended, and starts its successor if one is wanted.
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

// End immediately stops the Runners of the jobs for which match returns true, without a grace, and waits
// for them. The next Sync that wants them starts them again. match must not call the Manager.
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

// Each calls f for every running Runner.
func (m *Manager) Each(f func(Job, Runner)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.children {
		if c.runner != nil {
			f(c.job, c.runner)
		}
	}
}

// Stop ends all Runners and waits for them. Nothing starts afterwards.
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
