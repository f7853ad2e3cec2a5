package agent

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"lighter"
	"lighter/collector"
	"lighter/collector/file"
	"lighter/collector/position"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
)

// view holds what is wanted, for the status: a status request must not wait while targets are evaluated,
// because that may read a disk.
type view struct {
	mu     sync.Mutex
	wanted wanted
}

// wanted holds the logs to read, by the keys of their jobs. Its maps are immutable once set.
type wanted struct {
	logs     map[string]followed // of containers
	readings map[string]reading  // all others

	skipped []skipped // the containers whose logs are not wanted
}

// skipped is a container whose log is not wanted, and why.
type skipped struct {
	container *lighter.Container
	why       string
}

// has reports whether the log with the given key is wanted.
func (w wanted) has(key string) bool {
	if _, ok := w.logs[key]; ok {
		return true
	}
	_, ok := w.readings[key]
	return ok
}

// services returns the services whose entries are wanted.
func (w wanted) services() map[string]bool {
	all := map[string]bool{}
	for _, f := range w.logs {
		all[f.target.labels.Get("service")] = true
	}
	for _, r := range w.readings {
		all[r.log().Service] = true
	}
	return all
}

func (v *view) all() wanted {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wanted
}

func (v *view) logs() map[string]followed { return v.all().logs }

func (v *view) set(w wanted) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wanted = w
}

// existing holds the existing containers, by ID, as last discovered. The zero value is empty. Tailers of
// files query it from their goroutines.
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

// update takes the targets of a discovery, unless it has been told to stop.
func (a *Agent) update(ctx context.Context, name string, targets []lighter.Target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	a.found[name] = targets
	a.syncLocked()
}

// reevaluate evaluates the targets again, because files have come or gone, unless ctx has ended.
func (a *Agent) reevaluate(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() == nil {
		a.syncLocked()
	}
}

// match is the matcher of the running nodes.
func (a *Agent) match(n config.Node, in []lighter.Target) []lighter.Target {
	if p := a.graph.Load().part(n.Name); p != nil && p.matcher != nil {
		return p.matcher.targets(in)
	}
	return nil
}

// syncLocked evaluates the present targets, and tells the managers what should run.
func (a *Agent) syncLocked() {
	g := a.graph.Load()
	e := evaluate(g.plan, a.found, a.match)
	before, next := a.view.all(), wanted{logs: map[string]followed{}, readings: map[string]reading{}}
	var tails, scrapes []collector.Job
	for _, p := range paths(g.plan) {
		if g.part(p.endpoint) == nil {
			continue // its endpoint could not be opened
		}
		targets := e.inputs(p.source)
		for _, t := range logTargets(p.args, targets) {
			key := p.key(t.container.ID)
			t.unlabelled(g.plan, p)
			f := followed{p, t, readFrom(p.args, t.container, before.logs[key])}
			next.logs[key] = f
			if job, ok := a.tailJob(f); ok {
				tails = append(tails, job)
			}
		}
		if p.args.Events && g.part(p.args.Engine) != nil {
			tails = append(tails, a.eventsJob(p))
		}
		readings(g.plan, p, targets, next.readings)
	}
	for _, r := range next.readings {
		tails = append(tails, a.readingJob(r))
	}
	for n, c := range config.All[config.ContainerMetrics](g.plan) {
		u := g.part(n.Name).usage
		u.want(e.inputs(n))
		u.follow(g.part(c.Engine))
	}
	for n, c := range config.All[scrape.Config](g.plan) {
		targets := scrapeTargets(e.inputs(n))
		var over error
		if c.TargetLimit > 0 && len(targets) > c.TargetLimit {
			over = fmt.Errorf("the scrape has %d targets, more than the limit of %d, so none is scraped", len(targets), c.TargetLimit)
		}
		for _, t := range targets {
			scrapes = append(scrapes, a.scrapeJob(n, c, t, over))
		}
	}
	next.skipped = e.skipped(a.found, next.logs)
	a.view.set(next)
	a.containers.set(a.found) // after the view: see eventStream
	a.sayUnlabelled(before.logs, next.logs)
	a.tailers.Sync(tails)
	a.tailers.Each(wake)
	a.memories.want(scrapes) // before loops that are no longer wanted end
	a.loops.Sync(scrapes)
	for _, keys := range []iter.Seq[string]{maps.Keys(before.logs), maps.Keys(before.readings)} {
		for key := range keys {
			if !next.has(key) && a.endings.has(key) { // for other logs, the tailer reports the end
				a.stages.counted.Forget(key)
			}
		}
	}
	a.stages.forget(before.services(), next.services())
	a.endings.keep(next.has)
	a.forgetGone()
}

// skipped returns the containers that were found and whose logs are not among those that are wanted. It returns
// none if the plan reads no logs of containers.
func (e *evaluation) skipped(found map[string][]lighter.Target, logs map[string]followed) (all []skipped) {
	if !config.Has[config.LogSource](e.plan) {
		return nil
	}
	wanted := map[string]bool{}
	for _, f := range logs {
		wanted[f.target.container.ID] = true
	}
	now := time.Now()
	for _, c := range containersIn(e.plan, found) {
		if wanted[c.ID] {
			continue
		}
		if _, why := e.previewLogs(c, now); why != "" { // else the endpoint could not be opened, which says so itself
			all = append(all, skipped{c, why})
		}
	}
	return all
}

// forgetGone deletes the positions of containers that no longer exist. It does so only while each discovery
// has listed its containers completely, and never if there is no container at all: a disk may not be
// mounted yet, and a few superfluous positions do no harm.
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
	ofContainer := func(key string) bool { return isContainerLog(logOf(key)) }
	exists := func(key string) bool {
		id := logOf(key)
		_, ok := a.containers.Container(id)
		return ok || a.unlisted[id]
	}
	for _, store := range a.stores() {
		store.Retain(ofContainer, exists)
	}
}

// stores returns the stores of positions.
func (a *Agent) stores() []*position.Store {
	if stored := a.positions.Load(); stored != nil {
		return []*position.Store{a.inMemory, stored}
	}
	return []*position.Store{a.inMemory}
}

// forgetFiles deletes the positions of files that nobody reads and that were removed forgetAfter ago,
// including those that were removed while the agent did not run. A renamed log may be created anew a moment
// later, and then its position is needed. forgetFiles accesses the disk, so it must not be called with a
// lock held.
func (a *Agent) forgetFiles(now time.Time) {
	missing := map[string]time.Time{}
	for _, store := range a.stores() {
		gone := map[string]bool{}
		for _, key := range store.Unread() {
			log := logOf(key)
			if !isFileLog(log) || !file.Gone(log) {
				continue
			}
			since, known := a.missing[key]
			if !known {
				since = now
			}
			missing[key], gone[key] = since, now.Sub(since) >= forgetAfter
		}
		all := a.view.all() // a file may have returned, and be wanted, since the search
		store.Retain(func(key string) bool { return gone[key] && !all.has(key) }, func(string) bool { return false })
	}
	a.missing = missing
}

// positionsOf returns the store of a path's positions.
func (a *Agent) positionsOf(p path) *position.Store {
	stored, endpoint := a.positions.Load(), a.graph.Load().part(p.endpoint)
	if stored == nil || endpoint == nil || endpoint.recent != nil {
		return a.inMemory
	}
	return stored
}
