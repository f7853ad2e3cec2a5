package main

import (
	"cmp"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/cmd/lighter/web"
	"lighter/collector"
	"lighter/collector/scrape"
	"lighter/collector/tail"
	"lighter/exporters/send"
)

// Ready implements web.Source.
func (a *agent) Ready() []web.Check {
	var down, logs, metrics []error
	for _, c := range a.engines {
		if st := c.Status(); !st.Reachable {
			down = append(down, errors.New(st.Err))
		}
	}
	for _, f := range a.files {
		down = append(down, f.Err())
	}
	for _, e := range a.loki {
		logs = append(logs, e.Err())
	}
	for _, e := range a.remote {
		metrics = append(metrics, e.Err())
	}
	return []web.Check{check("docker", down), check("logs", logs), check("metrics", metrics)}
}

func check(name string, errs []error) web.Check {
	if err := errors.Join(errs...); err != nil {
		return web.Check{Name: name, Fail: oneLine(err.Error())}
	}
	return web.Check{Name: name}
}

// Status implements web.Source.
func (a *agent) Status() web.Status {
	st := web.Status{
		Time:        time.Now().UTC(),
		Version:     a.o.version,
		Commit:      a.o.commit,
		Started:     a.started.UTC(),
		Environment: a.plan.Agent.Environment,
		Host:        a.plan.Agent.Host,
		LocalMode:   a.recent != nil,
	}
	for _, c := range a.plan.Docker {
		e := a.engines[c.Name].Status()
		st.Docker = web.Docker{Host: c.Host, Reachable: e.Reachable, Since: e.Since, APIVersion: e.APIVersion, EngineVersion: e.EngineVersion, Error: e.Err}
		st.Host = cmp.Or(st.Host, e.HostName)
	}
	for _, f := range a.plan.Files {
		st.Docker = web.Docker{Host: f.Root, Reachable: true}
		if err := a.files[f.Name].Err(); err != nil {
			st.Docker.Reachable, st.Docker.Error = false, err.Error()
		}
	}
	st.Containers = a.followedContainers()
	a.loops.Each(func(_ collector.Job, r collector.Runner) {
		st.Targets = append(st.Targets, target(r.(*scrape.Loop).Status()))
	})
	for _, e := range a.loki {
		s := e.Status()
		st.Endpoints = append(st.Endpoints, endpoint(s.Name, "loki", s.URL, s.Status, int64(s.WaitingEntries), s.WaitingBytes))
	}
	for _, e := range a.remote {
		s := e.Status()
		st.Endpoints = append(st.Endpoints, endpoint(s.Name, "remote_write", s.URL, s.Status, int64(s.WaitingSamples), s.WaitingBytes))
	}
	if a.recent != nil {
		for _, l := range a.recent.Lines() {
			st.Lines = append(st.Lines, web.Line{Time: l.Time, Labels: l.Labels.Map(), Text: l.Text})
		}
		for _, s := range a.recent.Samples() {
			st.Samples = append(st.Samples, web.Sample{Time: s.Time, Series: s.Labels.String(), Value: strconv.FormatFloat(s.Value, 'g', -1, 64)})
		}
	}
	return st
}

// followedContainers says of each container whose log is wanted how far it is.
func (a *agent) followedContainers() []web.Container {
	running := map[string]tail.Status{}
	a.tailers.Each(func(j collector.Job, r collector.Runner) { running[j.ID] = r.(tailer).Status() })
	a.view.mu.Lock()
	logs := maps.Clone(a.view.logs)
	a.view.mu.Unlock()
	var all []web.Container
	for id, f := range logs {
		s, ok := running[id]
		if !ok {
			if s, ok = a.endings.get(id); !ok {
				s = tail.Status{State: untouched(f.target.container)}
			}
		}
		l := f.target.out
		if f.target.noOut {
			l = f.target.err
		}
		c := web.Container{
			ID:        id,
			Name:      f.target.container.Name,
			Service:   l.Get("service"),
			Labels:    labels.NewBuilder(l).Del("stream").Labels().Map(),
			Source:    f.from,
			State:     s.State,
			Read:      s.Read,
			Delivered: s.Delivered,
			Error:     s.LastError,
		}
		if at := a.positions.Acked(id); at.Lines > 0 {
			c.Position = time.Unix(0, at.Time).UTC()
			if s.LastLine.After(c.Position) {
				c.Lag = s.LastLine.Sub(c.Position).Seconds()
			}
		}
		all = append(all, c)
	}
	return all
}

// untouched is the state of a container of whose log nothing was read.
func untouched(c *lighter.Container) string {
	if neverRan(c) {
		return "created"
	}
	return "old" // it stopped before the time from which logs are read
}

func target(s scrape.Status) web.Target {
	return web.Target{
		URL:       s.URL,
		Job:       s.Labels.Get("job"),
		Labels:    s.Labels.Map(),
		Health:    string(s.Health),
		LastTime:  s.LastScrape,
		Duration:  s.Duration.Seconds(),
		Samples:   int64(s.Samples),
		LastError: s.Err,
	}
}

func endpoint(name, kind, url string, s send.Status, waiting, bytes int64) web.Endpoint {
	e := web.Endpoint{
		Name: name, Kind: kind, URL: url, Up: s.Up, Since: s.Since,
		Waiting: waiting, WaitingBytes: bytes, Delivered: s.Delivered,
		Dropped: s.Dropped, LastError: s.LastError,
	}
	return e
}
