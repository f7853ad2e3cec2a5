package agent

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"lighter"
	"lighter/collector"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/exporters/budget"
)

// scrapeJob returns the job that scrapes a target. over is not nil if the scrape has too many targets.
func (a *Agent) scrapeJob(n config.Node, c scrape.Config, t lighter.Target, over error) collector.Job {
	g := a.graph.Load()
	c.Name = n.Name
	id := n.Name + t.Labels.String()
	part := g.part(n.Name)
	o := scrape.Options{Client: part.client, OverTargetLimit: over, Failures: part.failures, Buffers: a.buffers, UserAgent: a.userAgent(), Metrics: a.metrics.scrape, Logger: a.o.Logger}
	all := ways(g.plan, n)
	if a.leavesHost(endpointsOf(all)) {
		o.Observe = a.observeScrape
	}
	version := fmt.Sprint(g.nodes[n.Name].hash, part.id, over)
	for _, w := range all {
		if p := g.part(w.endpoint); p != nil {
			o.Sinks, o.Names = append(o.Sinks, w.sink(p.samples, a.o.Logger)), append(o.Names, w.name)
			version += fmt.Sprint(" ", w.name, w.version(g), " ", p.id)
		}
	}
	return collector.Job{
		ID:      id,
		Version: version,
		New: func() (collector.Runner, error) {
			l, err := scrape.New(t, c, o)
			if err != nil {
				return nil, err
			}
			if m := a.memories.take(id); m != nil {
				l.TakeOver(m)
			}
			return l, nil
		},
	}
}

// leavesHost reports whether one of the named endpoints is a backend.
func (a *Agent) leavesHost(endpoints []string) bool {
	g := a.graph.Load()
	return slices.ContainsFunc(endpoints, func(name string) bool { p := g.part(name); return p != nil && p.remote != nil })
}

// observeScrape counts a scrape for the budget.
func (a *Agent) observeScrape(o scrape.Observation) {
	a.budget.ObserveScrape(budget.Scrape{
		Target:   o.Labels.Get("job") + " " + o.Labels.Get("instance"),
		Interval: o.Interval,
		Series:   o.Series,
		Added:    o.Added,
		Failed:   o.Failed,
		Names:    o.Names,
	})
}

// scrapeOf returns the name of the scrape to which a job belongs.
func scrapeOf(j collector.Job) string {
	name, _, _ := strings.Cut(j.ID, "{")
	return name
}

// loopEnded keeps a loop's memory of its target, for its successor.
func (a *Agent) loopEnded(j collector.Job, r collector.Runner, err error) {
	if err != nil {
		a.o.Logger.Error("a target cannot be scraped", "target", j.ID, "error", err)
	}
	if l, ok := r.(*scrape.Loop); ok {
		a.memories.put(j.ID, l.Memory())
	}
}

// memories holds the Memory of ended loops, by the ID of their job. The zero value is ready to use.
type memories struct {
	mu     sync.Mutex
	last   map[string]*scrape.Memory
	wanted map[string]bool // IDs of the wanted jobs; no loop takes over from others
}

func (m *memories) put(id string, one *scrape.Memory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wanted[id] {
		m.last[id] = one
	}
}

// take returns the memory of a job, or nil.
func (m *memories) take(id string) *scrape.Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.last[id]
	delete(m.last, id)
	return one
}

// want sets the wanted jobs, and drops the memory of others.
func (m *memories) want(jobs []collector.Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.last
	m.last, m.wanted = map[string]*scrape.Memory{}, make(map[string]bool, len(jobs))
	for _, j := range jobs {
		m.wanted[j.ID] = true
		if one, ok := last[j.ID]; ok {
			m.last[j.ID] = one
		}
	}
}
