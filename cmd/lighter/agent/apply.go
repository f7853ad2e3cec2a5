package agent

import (
	"errors"
	"slices"

	"lighter/collector"
	"lighter/config"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// ErrStopped is returned for a plan after the agent has stopped.
var ErrStopped = errors.New("the agent has stopped")

// Apply replaces the running plan. It refuses a plan that is not valid, or that cannot be built, as a
// whole: it returns the reason, and the running plan continues unchanged. Otherwise only what differs from
// the previous plan restarts: a node with the same hash keeps running, with its memory, its queue and its
// connections. Readers continue from their positions.
//
// Listen, DataDir, BufferMax, LogLevel and LogFormat of Plan.Agent are read only at the start. Apply blocks
// until removed parts, and the readers and loops that use them, have stopped.
func (a *Agent) Apply(p *config.Plan) error {
	if err := p.Validate(); err != nil {
		return err
	}
	a.applying.Lock()
	defer a.applying.Unlock()
	if a.stopping.Load() {
		return ErrStopped
	}
	old := a.graph.Load()
	next, err := a.build(p, old)
	if err != nil {
		return errors.Join(err, next.closeBut(old))
	}
	a.warnOfFixed(a.process, p.Agent)
	removed := old.without(next)
	// From here on the plan is accepted. Later failures, such as a disk error, are logged, and the rest
	// runs.
	a.logFailure("a part of the previous configuration did not stop cleanly", removed.stop(isDiscovery)) // before mu is locked, because their updates wait for it

	a.mu.Lock()
	defer a.mu.Unlock()
	a.endReaders(removed, next)
	a.logFailure("a part of the previous configuration did not stop cleanly", errors.Join(removed.stop(isEndpoint), removed.close()))
	a.rewind(removed)
	a.logFailure("an endpoint cannot be opened, and nothing is read for it", next.open(a))
	a.graph.Store(next)
	a.stages.configure(p)
	a.forgetDiscoveries(next)
	a.forgetSeries(removed, next)
	a.watch(next)
	a.listenToOwnLog(next)
	if a.running {
		next.start(a)
		a.syncLocked()
	}
	return nil
}

func (a *Agent) logFailure(what string, err error) {
	if err != nil {
		a.o.Logger.Error(what, "error", err)
	}
}

// warnOfFixed logs which settings of the process a reload cannot change.
func (a *Agent) warnOfFixed(old, next config.Agent) {
	for _, s := range []struct {
		name    string
		changed bool
	}{
		{"listen", old.Listen != next.Listen},
		{"data_dir", old.DataDir != next.DataDir},
		{"buffer_max", old.BufferMax != next.BufferMax},
		{"log_level", old.LogLevel != next.LogLevel},
		{"log_format", old.LogFormat != next.LogFormat},
	} {
		if s.changed {
			a.o.Logger.Warn("a setting of the process is read only at the start: restart the agent to change it", "setting", s.name)
		}
	}
}

// endReaders ends, and waits for, the readers and listeners that use a removed part, lose one of their
// paths or count on another one, the listeners that change, because another one may take their address, and
// the loops that send to a removed endpoint: an endpoint must not be closed while somebody sends to it. All
// others are left to the managers, which do not wait: a loop whose target is no longer scraped marks its
// series as stale at the endpoints that remain.
func (a *Agent) endReaders(removed, next *graph) {
	kept := map[string]path{}
	for _, p := range paths(next.plan) {
		kept[p.prefix()] = p
	}
	all, old := a.view.all(), a.graph.Load()
	a.tailers.End(func(j collector.Job) bool {
		of := all.readings[j.ID].paths
		if f, ok := all.logs[j.ID]; ok {
			of = []path{f.path}
		}
		return len(of) == 0 || j.ID == listenerKey(of[0].source) && !sameListener(of[0].source.Name, old, next) ||
			slices.ContainsFunc(of, func(p path) bool {
				again, ok := kept[p.prefix()]
				return !ok || !slices.Equal(again.ways, p.ways) || removed.part(p.endpoint) != nil || removed.part(p.args.Engine) != nil ||
					slices.ContainsFunc(p.through, func(n config.Node) bool { return removed.part(n.Name) != nil })
			})
	})
	a.loops.End(func(j collector.Job) bool {
		n, ok := old.nodes[scrapeOf(j)]
		return !ok || len(removed.parts(endpointsOf(ways(old.plan, n.Node)))) > 0 // a loop of an earlier plan may still send its last samples
	})
}

// sameListener reports whether a source does the same in two plans, and has the same destinations.
func sameListener(source string, old, next *graph) bool {
	of := func(g *graph) (nodes []string) {
		for _, p := range paths(g.plan) {
			if p.source.Name != source {
				continue
			}
			nodes = append(nodes, p.name, g.nodes[source].hash, g.nodes[p.endpoint].hash)
			for _, s := range p.through {
				nodes = append(nodes, s.Name, g.nodes[s.Name].hash)
			}
		}
		return nodes
	}
	return slices.Equal(of(old), of(next))
}

// rewind moves the read position of each log of a removed endpoint back to the acknowledged one. What the
// endpoint held in memory is gone, so those lines are read again.
func (a *Agent) rewind(removed *graph) {
	stored := a.positions.Load()
	if stored == nil {
		return
	}
	for _, p := range paths(removed.plan) {
		if removed.part(p.endpoint) != nil {
			stored.Rewind(p.prefix())
		}
	}
}

// forgetDiscoveries forgets the targets of discoveries that next does not have. The caller holds a.mu.
func (a *Agent) forgetDiscoveries(next *graph) {
	for name, targets := range a.found {
		if n, ok := next.nodes[name]; ok && isDiscovery(n) {
			continue
		}
		for _, t := range targets {
			if t.Container != nil {
				a.unlisted[t.Container.ID] = true
			}
		}
		delete(a.found, name)
	}
}

// forgetSeries deletes the metrics of endpoints that next does not have.
func (a *Agent) forgetSeries(removed, next *graph) {
	for n := range config.All[loki.Config](removed.plan) {
		if removed.part(n.Name) != nil && next.nodes[n.Name] == nil {
			a.metrics.loki.Forget(n.Name)
			a.metrics.sending.Forget(n.Name)
		}
	}
	for n := range config.All[remotewrite.Config](removed.plan) {
		if removed.part(n.Name) != nil && next.nodes[n.Name] == nil {
			a.metrics.remote.Forget(n.Name)
			a.metrics.sending.Forget(n.Name)
		}
	}
}
