package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"

	"lighter"
	"lighter/collector/containers"
	"lighter/config"
	"lighter/discovery/docker"
)

// Where the cgroup and proc file systems are for a process on the Engine's host. In a container these are
// the container's own, in which no other container is found, unless the host's are mounted there.
const (
	cgroupRoot = "/sys/fs/cgroup"
	procRoot   = "/proc"
)

// usage measures the containers that a node of container metrics takes.
type usage struct {
	a         *Agent
	engine    string // the node whose Engine is asked
	page      string // is there while run runs
	cadvisor  *config.CAdvisor
	collector *containers.Collector
	wanted    atomic.Pointer[[]containers.Container]
}

func newUsage(a *Agent, c config.ContainerMetrics, page string) *usage {
	u := &usage{a: a, engine: c.Engine, page: page, cadvisor: c.CAdvisor}
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

// run measures until ctx ends. The Engine tells of containers that are out of memory.
func (u *usage) run(ctx context.Context) {
	if u.cadvisor != nil {
		u.a.own.AddText(u.page, u.collector)
	} else {
		u.a.own.Add(u.page, u.collector)
	}
	defer u.a.own.Remove(u.page)
	if p := u.a.graph.Load().part(u.engine); p != nil && p.discoverer != nil {
		began := time.Now().UnixNano()
		stop := p.discoverer.Follow(began, func(e lighter.Event) {
			if e.Action == "oom" && e.Time >= began { // an earlier one, which the Engine gives again, is of before the count
				u.collector.OutOfMemory(e.Container)
			}
		})
		defer stop()
	}
	u.collector.Run(ctx)
}

// want says which containers are measured: those among targets, each once.
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

// usageEngine asks the Engine of a node, whichever client it has when it is asked.
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
