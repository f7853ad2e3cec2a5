package agent

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"lighter"
	"lighter/collector"
	"lighter/collector/position"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
)

// view holds what is wanted, for the status: asking for the status must not wait while targets are
// evaluated, because that may read a disk.
type view struct {
	mu     sync.Mutex
	wanted map[string]followed // by the key of a log; a map that was set is not changed
}

func (v *view) logs() map[string]followed {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wanted
}

func (v *view) set(logs map[string]followed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wanted = logs
}

// existing are the containers that exist, by id, as discovery found them last. The zero value has
// none. It is what tailers of files ask, from their goroutines.
type existing struct {
	all atomic.Pointer[map[string]*lighter.Container]
}

// Container implements filelog.Containers.
func (c *existing) Container(id string) (*lighter.Container, bool) {
	all := c.all.Load()
	if all == nil {
		return nil, false
	}
	found, ok := (*all)[id]
	return found, ok
}

func (c *existing) none() bool {
	all := c.all.Load()
	return all == nil || len(*all) == 0
}

func (c *existing) set(found map[string][]lighter.Target) {
	all := map[string]*lighter.Container{}
	for _, targets := range found {
		for _, t := range targets {
			if t.Container != nil {
				all[t.Container.ID] = t.Container
			}
		}
	}
	c.all.Store(&all)
}

// update takes what a discovery has found, unless it was told to stop meanwhile.
func (a *Agent) update(ctx context.Context, name string, targets []lighter.Target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	a.found[name] = targets
	a.syncLocked()
}

// syncLocked evaluates the targets that there are now, and tells the managers what shall run.
func (a *Agent) syncLocked() {
	g := a.graph.Load()
	e := evaluate(g.plan, a.found)
	before, logs := a.view.logs(), map[string]followed{}
	var tails, scrapes []collector.Job
	for _, p := range paths(g.plan) {
		if g.part(p.endpoint) == nil {
			continue // its endpoint could not be opened
		}
		for _, t := range logTargets(p.args, e.inputs(p.source)) {
			key := p.key(t.container.ID)
			f := followed{p, t, readFrom(p.args, t.container, before[key])}
			logs[key] = f
			if job, ok := a.tailJob(f); ok {
				tails = append(tails, job)
			}
		}
		if p.args.Events && g.part(p.args.Engine) != nil {
			tails = append(tails, a.eventsJob(p))
		}
	}
	for n, c := range config.All[config.ContainerMetrics](g.plan) {
		u := g.part(n.Name).usage
		u.want(e.inputs(n))
		u.follow(g.part(c.Engine))
	}
	for n, c := range config.All[scrape.Config](g.plan) {
		for _, t := range scrapeTargets(e.inputs(n)) {
			scrapes = append(scrapes, a.scrapeJob(n, c, t))
		}
	}
	a.view.set(logs)
	a.containers.set(a.found) // after the view: see eventStream
	a.tailers.Sync(tails)
	a.tailers.Each(wake)
	a.memories.want(scrapes) // before loops end that are wanted no more
	a.loops.Sync(scrapes)
	for key := range before {
		if _, wanted := logs[key]; !wanted && a.endings.has(key) { // of others, the tailer says when it has ended
			a.stages.counted.Forget(key)
		}
	}
	a.stages.forget(before, logs)
	a.endings.keep(logs)
	a.forgetGone()
}

// forgetGone has the positions of containers forgotten that do not exist any more. It does so only
// while each discovery has listed its containers in full, and never if there is no container at all:
// a disk may not be mounted yet, and a few positions too many do no harm.
func (a *Agent) forgetGone() {
	if a.containers.none() {
		return
	}
	g := a.graph.Load()
	for n, c := range config.All[docker.Config](g.plan) {
		if _, listed := a.found[n.Name]; !listed || !c.Stopped || len(c.Filters) > 0 {
			return
		}
	}
	for n := range config.All[config.Files](g.plan) {
		if _, listed := a.found[n.Name]; !listed {
			return
		}
	}
	exists := func(key string) bool {
		id := key[strings.LastIndexByte(key, '/')+1:]
		if id == eventsLog {
			return true
		}
		_, ok := a.containers.Container(id)
		return ok || a.unlisted[id]
	}
	a.inMemory.Retain(exists)
	if stored := a.positions.Load(); stored != nil {
		stored.Retain(exists)
	}
}

// positionsOf returns where the positions of a path are kept.
func (a *Agent) positionsOf(p path) *position.Store {
	stored, endpoint := a.positions.Load(), a.graph.Load().part(p.endpoint)
	if stored == nil || endpoint == nil || endpoint.recent != nil {
		return a.inMemory
	}
	return stored
}
