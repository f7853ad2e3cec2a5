package collector

import (
	"context"
	"errors"
	"sync"
	"time"
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

// Manager keeps a Runner running for each wanted Job. Its methods may be called from any
// goroutine.
type Manager struct {
	grace time.Duration
	ended func(Job, Runner, error)

	mu       sync.Mutex
	children map[string]*child
	stopped  bool
	running  sync.WaitGroup
}

// child is a Job that was started once. It stays in the table after its Runner has ended,
// so that it is not started again for nothing.
type child struct {
	job    Job    // as it was started
	want   *Job   // what shall run in its place, or nil where nothing shall
	runner Runner // nil once it has ended
	cancel context.CancelCauseFunc
}

// NewManager returns a Manager that gives the Runner of a job that is wanted no more
// grace to end by itself, before its context ends with ErrGone as the cause. ended is told
// of each Runner that has ended, or, with a nil Runner, that could not be made; it must not
// call the Manager.
func NewManager(grace time.Duration, ended func(Job, Runner, error)) *Manager {
	return &Manager{grace: grace, ended: ended, children: map[string]*child{}}
}

// Sync makes what runs what is wanted. It does not wait for Runners to end.
func (m *Manager) Sync(jobs []Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return
	}
	wanted := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		wanted[j.ID] = true
		c := m.children[j.ID]
		switch {
		case c == nil:
			m.startLocked(j)
		case c.runner == nil:
			if c.job.Version != j.Version || c.job.Wake != j.Wake {
				m.startLocked(j)
			}
		default:
			c.want = &j
			if c.job.Version != j.Version {
				c.cancel(nil)
			}
		}
	}
	for id, c := range m.children {
		switch {
		case wanted[id]:
		case c.runner == nil:
			delete(m.children, id)
		case c.want != nil:
			c.want = nil
			m.endLocked(c)
		}
	}
}

// endLocked ends a child that is wanted no more, after its grace.
func (m *Manager) endLocked(c *child) {
	if m.grace == 0 {
		c.cancel(ErrGone)
		return
	}
	time.AfterFunc(m.grace, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c.want == nil {
			c.cancel(ErrGone)
		}
	})
}

func (m *Manager) startLocked(j Job) {
	runner, err := j.New()
	c := &child{job: j, want: &j, runner: runner}
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
		m.reap(c, err)
	})
}

// reap notes that a child has ended and starts what is wanted in its place.
func (m *Manager) reap(c *child, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	runner := c.runner
	c.runner = nil
	m.ended(c.job, runner, err)
	switch {
	case c.want == nil:
		delete(m.children, c.job.ID)
	case m.stopped:
	case c.want.Version != c.job.Version || c.want.Wake != c.job.Wake:
		m.startLocked(*c.want)
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
			c.cancel(errStopping)
		}
	}
	m.mu.Unlock()
	m.running.Wait()
}

var errStopping = errors.New("the agent stops")
