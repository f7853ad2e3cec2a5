package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"

	"lighter"
	"lighter/collector/containers"
	"lighter/config"
	"lighter/discovery/docker"
)

// Where the cgroup and proc file systems are for a process on the Engine's host. In a container these are
// the container's own, which contain no other containers, unless the host's are mounted there.
const (
	cgroupRoot = "/sys/fs/cgroup"
	procRoot   = "/proc"
)

// usage measures the containers that a node of container metrics takes.
type usage struct {
	a         *Agent
	engine    string // the node with the Engine
	page      string // exists while run runs
	cadvisor  *config.CAdvisor
	collector *containers.Collector
	wanted    atomic.Pointer[[]containers.Container]
	began     int64           // Unix nanoseconds; earlier events do not count
	counted   []lighter.Event // the newest counted out-of-memory events; only tell uses it

	mu       sync.Mutex
	followed *docker.Discoverer // the discoverer that reports events, or nil
	unfollow func()
	ended    bool // run has returned
}

// maxCounted is how many events are remembered. An Engine repeats as many.
const maxCounted = 256

func newUsage(a *Agent, c config.ContainerMetrics, page string) *usage {
	u := &usage{a: a, engine: c.Engine, page: page, cadvisor: c.CAdvisor, began: time.Now().UnixNano()}
	u.wanted.Store(&[]containers.Container{})
	var cadvisor *containers.CAdvisor
	if c.CAdvisor != nil {
		cadvisor = &containers.CAdvisor{Enabled: c.CAdvisor.Enabled, Disabled: c.CAdvisor.Disabled}
	}
	u.collector = containers.New(containers.Options{
		CAdvisor:   cadvisor,
		Engine:     usageEngine{a, c.Engine},
		Wanted:     func() []containers.Container { return *u.wanted.Load() },
		Logger:     a.o.Logger,
		Interval:   c.Interval,
		CgroupRoot: cgroupRoot,
		ProcRoot:   procRoot,
		DataRoot:   c.DataRoot,
	})
	return u
}

// run measures until ctx ends.
func (u *usage) run(ctx context.Context) {
	if u.cadvisor != nil {
		u.a.own.AddText(u.page, u.collector)
	} else {
		u.a.own.Add(u.page, u.collector)
	}
	defer u.a.own.Remove(u.page)
	defer u.end()
	u.collector.Run(ctx)
}

// follow makes the discoverer of the node's Engine report containers that are out of memory. It does
// nothing if that discoverer already does, so it is called whenever a plan may have another one.
func (u *usage) follow(p *part) {
	var d *docker.Discoverer
	if p != nil {
		d = p.discoverer
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended || d == u.followed {
		return
	}
	u.stopLocked()
	if u.followed = d; d != nil {
		u.unfollow = d.Follow(u.began, u.tell)
	}
}

// tell counts an event. A discoverer that replaces another one repeats events that have been counted.
func (u *usage) tell(e lighter.Event) {
	if e.Action != "oom" || e.Time < u.began || slices.Contains(u.counted, e) {
		return
	}
	if len(u.counted) == maxCounted {
		u.counted = slices.Delete(u.counted, 0, 1)
	}
	u.counted = append(u.counted, e)
	u.collector.OutOfMemory(e.Container)
}

func (u *usage) stopLocked() {
	if u.unfollow != nil {
		u.unfollow()
	}
	u.followed, u.unfollow = nil, nil
}

func (u *usage) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopLocked()
	u.ended = true
}

// want sets the containers to measure: those among targets, each once.
func (u *usage) want(targets []lighter.Target) {
	all, seen := []containers.Container{}, map[string]bool{}
	for _, t := range targets {
		if c := t.Container; c != nil && !seen[c.ID] {
			seen[c.ID] = true
			one := containers.Container{Container: c, Service: t.Labels.Get("service"), Project: t.Labels.Get("project")}
			if u.cadvisor != nil {
				one.Further = containers.ContainerLabels(t.Labels, u.cadvisor.ContainerLabels, u.cadvisor.LabelAllowlist)
			}
			all = append(all, one)
		}
	}
	u.wanted.Store(&all)
}

// usageEngine sends requests to the Engine of a node, using the node's present client.
type usageEngine struct {
	a    *Agent
	node string
}

var errNoEngine = errors.New("the plan has no such Engine any more")

func (e usageEngine) client() (*docker.Client, error) {
	if p := e.a.graph.Load().part(e.node); p != nil && p.engine != nil {
		return p.engine, nil
	}
	return nil, errNoEngine
}

// Stats implements containers.Engine.
func (e usageEngine) Stats(ctx context.Context, id string) (container.StatsResponse, error) {
	c, err := e.client()
	if err != nil {
		return container.StatsResponse{}, err
	}
	return c.Stats(ctx, id)
}

// WritableBytes implements containers.Engine.
func (e usageEngine) WritableBytes(ctx context.Context, id string) (int64, error) {
	c, err := e.client()
	if err != nil {
		return 0, err
	}
	return c.WritableBytes(ctx, id)
}

// Machine implements containers.Engine.
func (e usageEngine) Machine(ctx context.Context) (lighter.Machine, error) {
	c, err := e.client()
	if err != nil {
		return lighter.Machine{}, err
	}
	return c.Machine(ctx)
}
