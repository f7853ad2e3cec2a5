package agent

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/cmd/lighter/web"
	"lighter/collector"
	"lighter/collector/scrape"
	"lighter/collector/tail"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/exporters/budget"
	"lighter/exporters/endpoint"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// Ready implements web.Source.
func (a *Agent) Ready() []web.Check {
	var down, logs, metrics []error
	for _, n := range a.graph.Load().nodes {
		switch p := n.part; {
		case n.err != nil:
			if kindOf(n.Args) == kindLoki {
				logs = append(logs, notOpened(n))
			} else {
				metrics = append(metrics, notOpened(n))
			}
		case p == nil:
		case p.engine != nil:
			if st := p.engine.Status(); !st.Reachable {
				down = append(down, errors.New(st.Err))
			}
		case p.files != nil:
			down = append(down, p.files.Err())
		case p.loki != nil:
			logs = append(logs, p.loki.Err())
		case p.remote != nil:
			metrics = append(metrics, p.remote.Err())
		}
	}
	a.tailers.Each(func(j collector.Job, r collector.Runner) {
		if l, ok := r.(*listener); ok {
			logs = append(logs, l.err())
		}
	})
	return []web.Check{check("docker", down), check("logs", logs), check("metrics", metrics)}
}

// notOpened says that the endpoint of a node could not be opened.
func notOpened(n *node) error {
	return fmt.Errorf("%s cannot be opened: %w; reload the configuration to try again", n.Name, n.err)
}

// The kinds of endpoints, as the status calls them.
const (
	kindLoki        = "loki"
	kindRemoteWrite = "remote_write"
)

func kindOf(args any) string {
	if _, ok := args.(loki.Config); ok {
		return kindLoki
	}
	return kindRemoteWrite
}

func check(name string, errs []error) web.Check {
	if err := errors.Join(errs...); err != nil {
		return web.Check{Name: name, Fail: config.NameSettings(oneLine(err.Error()))}
	}
	return web.Check{Name: name}
}

// oneLine joins the lines of a text.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// Status implements web.Source.
func (a *Agent) Status() web.Status {
	g := a.graph.Load()
	st := web.Status{
		Time:        time.Now().UTC(),
		Version:     a.o.Version,
		Commit:      a.o.Commit,
		Started:     a.started.UTC(),
		Environment: g.plan.Agent.Environment,
		Host:        g.plan.Agent.Host,
	}
	for _, planned := range g.plan.Nodes {
		n := g.nodes[planned.Name]
		p := n.part
		if n.err != nil {
			st.Endpoints = append(st.Endpoints, web.Endpoint{Name: n.Name, Kind: kindOf(n.Args), NotReady: config.NameSettings(oneLine(notOpened(n).Error()))})
		}
		if p == nil {
			continue
		}
		switch c := planned.Args.(type) {
		case docker.Config:
			e := p.engine.Status()
			st.Docker = web.Docker{Host: c.Host, Reachable: e.Reachable, Since: e.Since, APIVersion: e.APIVersion, EngineVersion: e.EngineVersion, Error: config.NameSettings(e.Err)}
			st.Host = cmp.Or(st.Host, e.HostName)
		case config.Files:
			st.Docker = web.Docker{Host: c.Root, Reachable: true}
			if err := p.files.Err(); err != nil {
				st.Docker.Reachable, st.Docker.Error = false, config.NameSettings(err.Error())
			}
		case loki.Config:
			s := p.loki.Status()
			e := ofEndpoint(kindLoki, s.Status, p.loki.Err())
			e.HeldStreams, e.Held = s.HeldStreams, ofHeld(s.Held)
			st.Endpoints = append(st.Endpoints, e)
		case remotewrite.Config:
			st.Endpoints = append(st.Endpoints, ofEndpoint(kindRemoteWrite, p.remote.Status().Status, p.remote.Err()))
		case config.Recent:
			st.LocalMode = true
			for _, l := range p.recent.Lines() {
				st.Lines = append(st.Lines, web.Line{Time: l.Time, Labels: withExternal(l.Labels, c.StreamLabels).Map(), Text: l.Text})
			}
			for _, s := range p.recent.Samples() {
				st.Samples = append(st.Samples, web.Sample{Time: s.Time, Series: withExternal(s.Labels, c.SeriesLabels).String(), Value: strconv.FormatFloat(s.Value, 'g', -1, 64)})
			}
		}
	}
	running := a.reports()
	st.Containers = a.followedContainers(g, running)
	for _, s := range a.view.all().skipped {
		st.Skipped = append(st.Skipped, web.Skipped{ID: s.container.ID, Name: s.container.Name, Reason: config.NameSettings(s.why)})
	}
	st.Sources = a.otherSources(g, running)
	a.loops.Each(func(j collector.Job, r collector.Runner) {
		s := r.(*scrape.Loop).Status()
		var several []string
		if n, ok := g.nodes[scrapeOf(j)]; ok {
			s.Labels, several = sentSeries(g.plan, n.Node, s.Labels), severalEndpoints(g.plan, n.Node)
		}
		shown := ofTarget(s)
		shown.Endpoints = several
		st.Targets = append(st.Targets, shown)
	})
	for _, s := range a.stages.dropped.Shares() {
		if s.LinesOut > 0 {
			st.Filtered = append(st.Filtered, web.Filtered{Service: s.Service, Lines: s.LinesOut, Bytes: s.BytesOut, Share: float64(s.BytesOut) / float64(max(s.Bytes, 1))})
		}
	}
	st.Budget = ofBudget(a.budget.Status())
	return st
}

func ofBudget(s budget.Status) web.Budget {
	b := web.Budget{
		Month: s.Logs.Month, Since: s.Logs.Since, LogBytes: s.Logs.Used, LogProjected: s.Logs.Projected, LogLimit: s.Logs.Limit,
		Series: s.Series.Used, ActiveSeries: s.Series.Active, DataPoints: s.Series.DataPoints, SeriesLimit: s.Series.Limit,
	}
	for _, one := range s.Logs.Services {
		b.Services = append(b.Services, web.BudgetService{Name: one.Name, Bytes: one.Bytes, Share: one.Share, Projected: one.Projected})
	}
	for _, t := range s.Series.Targets {
		b.Targets = append(b.Targets, web.BudgetTarget{Name: t.Name, Series: t.Active, DataPoints: t.DataPoints})
	}
	for _, m := range s.Series.Metrics {
		b.TopMetrics = append(b.TopMetrics, web.BudgetMetric(m))
	}
	return b
}

// reports returns the states of the running readers and listeners, by the keys of their logs.
func (a *Agent) reports() map[string]tail.Status {
	running := map[string]tail.Status{}
	a.tailers.Each(func(j collector.Job, r collector.Runner) {
		if t, ok := r.(reporter); ok { // sources of events do not
			running[j.ID] = t.Status()
		}
	})
	return running
}

// followedContainers returns the state of each wanted container's log.
func (a *Agent) followedContainers(g *graph, running map[string]tail.Status) []web.Container {
	var all []web.Container
	for key, f := range a.view.logs() {
		reason := ""
		s, ok := running[key]
		if !ok {
			if s, ok = a.endings.get(key); !ok {
				s.State, reason = untouched(f.target.container, f.path.args.Since)
			}
		}
		l := f.target.out
		if f.target.noOut {
			l = f.target.err
		}
		if sent := sentStreams(g.plan, []string{f.path.endpoint}, l); len(sent) > 0 {
			l = sent[0]
		}
		c := web.Container{
			ID:        f.target.container.ID,
			Name:      f.target.container.Name,
			Service:   l.Get("service"),
			Labels:    labels.NewBuilder(l).Del("stream").Labels().Map(),
			Source:    f.from,
			State:     s.State,
			Read:      s.Read,
			Delivered: s.Delivered,
			Reason:    config.NameSettings(reason),
			Error:     config.NameSettings(s.LastError),
		}
		if t := f.target; t.leftOut() {
			if c.State = "left out"; t.noLabels {
				c.Error = giveLabels
			} else {
				c.Reason = "the rules of the log source leave out all of its streams"
			}
		}
		c.Position, c.Lag = a.delivered(f.path, key, s)
		all = append(all, c)
	}
	return all
}

// delivered returns the time up to which the log with the given key is delivered on a path, and how far
// that is behind the newest line that was read.
func (a *Agent) delivered(p path, key string, s tail.Status) (upTo time.Time, lag float64) {
	if at := a.positionsOf(p).Acked(key); at.HasLines() {
		upTo = time.Unix(0, at.Time).UTC()
		if s.LastLine.After(upTo) {
			lag = s.LastLine.Sub(upTo).Seconds()
		}
	}
	return upTo, lag
}

// otherSources returns the state of each wanted log that is not a container's.
func (a *Agent) otherSources(g *graph, running map[string]tail.Status) []web.LogSource {
	var all []web.LogSource
	for key, r := range a.view.all().readings {
		s, ok := running[key]
		if !ok {
			if s, ok = a.endings.get(key); !ok {
				s = tail.Status{State: tail.Opening}
			}
		}
		one := web.LogSource{
			Kind: r.kind(), Name: r.name(), Node: r.source.Name,
			State: s.State, Read: s.Read, Delivered: s.Delivered, Error: config.NameSettings(s.LastError),
		}
		for _, p := range r.paths {
			one.To = append(one.To, p.endpoint)
		}
		if l := r.stream(); !l.IsEmpty() {
			if sent := sentStreams(g.plan, one.To[:1], l); len(sent) > 0 {
				l = sent[0]
			}
			one.Labels = l.Map()
		}
		one.Position, one.Lag = a.delivered(r.paths[0], key, s)
		all = append(all, one)
	}
	return all
}

// untouched returns the state of a container of whose log nothing was read, and why nothing was. The reason is
// empty if its reader is only about to start.
func untouched(c *lighter.Container, since time.Duration) (state, reason string) {
	if neverRan(c) {
		return "created", "it was never started, so it has no log"
	}
	return "old", endedEarlier(c, since, time.Now())
}

func ofTarget(s scrape.Status) web.Target {
	return web.Target{
		URL:       s.URL,
		Job:       s.Labels.Get("job"),
		Labels:    s.Labels.Map(),
		Health:    string(s.Health),
		LastTime:  s.LastScrape,
		Duration:  s.Duration.Seconds(),
		Samples:   int64(s.Samples),
		LastError: config.NameSettings(s.Err),
		Warning:   s.Warning,
	}
}

// ofEndpoint returns the status of an endpoint. notReady is what /ready says of it.
func ofEndpoint(kind string, s endpoint.Status, notReady error) web.Endpoint {
	e := web.Endpoint{
		Name: s.Name, Kind: kind, URL: s.URL, Up: s.Up, Since: s.Since,
		Waiting: int64(s.Waiting.Items), WaitingBytes: s.Waiting.Bytes, Delivered: s.Delivered,
		Dropped: s.Dropped, LastError: config.NameSettings(s.LastError),
	}
	if notReady != nil {
		e.NotReady = config.NameSettings(oneLine(notReady.Error()))
	}
	return e
}

func ofHeld(all []loki.HeldStream) (held []web.HeldStream) {
	for _, s := range all {
		held = append(held, web.HeldStream{
			Labels: s.Labels, Tenant: s.Tenant, Waiting: int64(s.Waiting.Items), WaitingBytes: s.Waiting.Bytes,
			Since: s.Since.UTC(), NextAttempt: s.NextAttempt.UTC(), Reason: cmp.Or(s.Text, refusedBefore),
		})
	}
	return held
}

// refusedBefore is the reason of a held stream if the backend has not refused it since the agent started.
const refusedBefore = "The backend refused it before the agent was restarted."
