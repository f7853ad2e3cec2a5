package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector"
	"lighter/collector/scrape"
	"lighter/config"
)

// view is what discovery found last, and what of it is wanted.
type view struct {
	mu    sync.Mutex
	found map[string][]lighter.Target // by discovery
	logs  map[string]followed         // containers whose logs are wanted, by id
}

// containers are those that exist, by id, as discovery found them last. The zero value has
// none. It is what tailers of files ask, from their goroutines.
type containers struct {
	all atomic.Pointer[map[string]*lighter.Container]
}

// Container implements filelog.Containers.
func (c *containers) Container(id string) (*lighter.Container, bool) {
	all := c.all.Load()
	if all == nil {
		return nil, false
	}
	found, ok := (*all)[id]
	return found, ok
}

func (c *containers) none() bool {
	all := c.all.Load()
	return all == nil || len(*all) == 0
}

func (c *containers) set(found map[string][]lighter.Target) {
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

// followed is a container whose log is wanted.
type followed struct {
	target logTarget
	from   string // readFile or readSocket
}

// sync is called when a discovery has found another set of targets: it relabels what
// there is now, and tells the managers what shall run.
func (a *agent) sync(name string, targets []lighter.Target) {
	a.view.mu.Lock()
	defer a.view.mu.Unlock()
	if a.view.found == nil {
		a.view.found = map[string][]lighter.Target{}
	}
	a.view.found[name] = targets
	a.containers.set(a.view.found)
	nodes := relabelTargets(a.plan, a.view.found)

	before := a.view.logs
	a.view.logs = map[string]followed{}
	var tails, scrapes []collector.Job
	for _, s := range a.plan.Logs {
		for _, t := range logTargets(s, take(nodes, s.From)) {
			f := followed{t, readFrom(s, t.container, before[t.container.ID])}
			a.view.logs[t.container.ID] = f
			if job, ok := a.tailJob(s, f); ok {
				tails = append(tails, job)
			}
		}
	}
	for _, s := range a.scrapes() {
		for _, t := range scrapeTargets(take(nodes, s.From)) {
			scrapes = append(scrapes, a.scrapeJob(s, t))
		}
	}
	a.tailers.Sync(tails)
	a.tailers.Each(wake)
	a.loops.Sync(scrapes)
	a.endings.keep(func(id string) bool { _, ok := a.view.logs[id]; return ok })
	a.forgetGone()
}

// forgetGone tells the positions which containers exist: those of all discoveries, each of
// which has been listed in full. Where there is none at all it may be that a disk is not mounted
// yet: a few positions too many do no harm.
func (a *agent) forgetGone() {
	if a.containers.none() {
		return
	}
	for _, c := range a.plan.Docker {
		if _, listed := a.view.found[c.Name]; !listed || !c.Stopped {
			return
		}
	}
	for _, f := range a.plan.Files {
		if _, listed := a.view.found[f.Name]; !listed {
			return
		}
	}
	a.positions.Keep(func(id string) bool { _, ok := a.containers.Container(id); return ok })
}

func (a *agent) scrapeJob(s config.Scrape, t lighter.Target) collector.Job {
	return collector.Job{
		ID:  s.Name + t.Labels.String(),
		New: func() (collector.Runner, error) { return scrape.New(t, s.Config, a.scraping[s.Name]) },
	}
}

func (a *agent) loopEnded(j collector.Job, _ collector.Runner, err error) {
	if err != nil {
		a.o.logger.Error("a target cannot be scraped", "target", j.ID, "error", err)
	}
}

// The agent scrapes itself like any other target, over its own server.
const selfName = "lighter"

func (a *agent) selfScraped() bool { return a.plan.Agent.SelfMetrics && len(a.plan.Remote) > 0 }

// scrapes returns the plan's scrapes and the agent's of itself.
func (a *agent) scrapes() []config.Scrape {
	all := a.plan.Scrapes
	if !a.selfScraped() {
		return all
	}
	self := config.Scrape{Config: scrape.DefaultConfig(), From: []string{selfName}}
	self.Name = selfName
	for _, r := range a.plan.Remote {
		self.To = append(self.To, r.Name)
	}
	return append(all[:len(all):len(all)], self)
}

// selfSource is the agent as a target. It waits a moment for the Engine to say what the
// host is called: in a container the agent's own name for it changes with the container.
type selfSource struct{ a *agent }

const hostPatience = 10 * time.Second

func (s selfSource) Run(ctx context.Context, update func([]lighter.Target)) error {
	host := s.a.hostName(ctx, hostPatience)
	if ctx.Err() != nil {
		return nil
	}
	update([]lighter.Target{{Labels: labels.FromStrings(
		"__address__", strings.TrimPrefix(s.a.server.URL(), "http://"),
		"job", selfName,
		"instance", fmt.Sprintf("%s:%d", host, s.a.server.Port()),
	)}})
	<-ctx.Done()
	return nil
}
