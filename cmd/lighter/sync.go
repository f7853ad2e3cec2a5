package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector"
	"lighter/collector/dockerlog"
	"lighter/collector/scrape"
	"lighter/config"
)

// view is what discovery found last, and what of it is wanted.
type view struct {
	mu    sync.Mutex
	found map[string][]lighter.Target // by discovery
	logs  map[string]followed         // containers whose logs are wanted, by id
}

// followed is a container whose log is wanted.
type followed struct {
	target logTarget
	source string
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
	nodes := relabelTargets(a.plan, a.view.found)

	a.view.logs = map[string]followed{}
	var tails, scrapes []collector.Job
	for _, s := range a.plan.Logs {
		for _, t := range logTargets(s, take(nodes, s.From)) {
			a.view.logs[t.container.ID] = followed{t, s.Name}
			if job, ok := a.tailJob(s, t); ok {
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
	a.loops.Sync(scrapes)
	a.endings.keep(func(id string) bool { _, ok := a.view.logs[id]; return ok })
	a.forgetGone()
}

// forgetGone tells the positions which containers exist: those of the Engines, each of
// which has been listed in full.
func (a *agent) forgetGone() {
	exists := map[string]bool{}
	for _, c := range a.plan.Docker {
		targets, listed := a.view.found[c.Name]
		if !listed || !c.Stopped {
			return
		}
		for _, t := range targets {
			if t.Container != nil {
				exists[t.Container.ID] = true
			}
		}
	}
	a.positions.Keep(func(id string) bool { return exists[id] })
}

// tailJob says what follows a container's log. A container that stopped before the time
// from which logs are read, and of which nothing is known, has nothing to give.
func (a *agent) tailJob(s config.LogSource, t logTarget) (collector.Job, bool) {
	c := t.container
	begin := max(a.started.Add(-s.Since).UnixNano(), 0)
	if !c.Running && c.Finished.UnixNano() < begin && a.positions.Acked(c.ID).IsZero() {
		return collector.Job{}, false
	}
	o := a.tailing
	o.Engine = engine{a.engines[a.plan.Docker[0].Name]}
	o.Sink = a.logs[s.Name]
	o.Begin = begin
	o.MaxLineBytes = s.MaxLineBytes
	return collector.Job{
		ID:      c.ID,
		Version: fmt.Sprint(t.out, t.err, c.TTY), // a terminal's log is read in another way
		Wake:    strconv.FormatInt(c.Started.UnixNano(), 10),
		New: func() (collector.Runner, error) {
			return dockerlog.New(c, stream(t.out, t.noOut), stream(t.err, t.noErr), o), nil
		},
	}, true
}

func stream(l labels.Labels, leftOut bool) *lighter.Stream {
	if leftOut {
		return nil
	}
	return lighter.NewStream(l)
}

func (a *agent) scrapeJob(s config.Scrape, t lighter.Target) collector.Job {
	return collector.Job{
		ID:  s.Name + t.Labels.String(),
		New: func() (collector.Runner, error) { return scrape.New(t, s.Config, a.scraping[s.Name]) },
	}
}

// tailerEnded keeps what a tailer has to say after its end, for the status, and logs what
// is not how tailers usually end.
func (a *agent) tailerEnded(j collector.Job, r collector.Runner, err error) {
	if errors.Is(err, dockerlog.ErrUnreadable) {
		a.o.logger.Warn("the container's log cannot be read and is not shipped; use the log driver json-file, local or journald", "container", j.ID, "error", err)
	}
	t, ok := r.(*dockerlog.Tailer)
	if !ok {
		return
	}
	a.endings.put(j.ID, t.Status())
}

// endings are what tailers said at their end, by container id. The zero value is ready.
type endings struct {
	mu   sync.Mutex
	last map[string]dockerlog.Status
}

func (e *endings) put(id string, s dockerlog.Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = map[string]dockerlog.Status{}
	}
	e.last[id] = s
}

func (e *endings) get(id string) (dockerlog.Status, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.last[id]
	return s, ok
}

func (e *endings) keep(wanted func(id string) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := range e.last {
		if !wanted(id) {
			delete(e.last, id)
		}
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
