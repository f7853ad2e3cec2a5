package agent

import (
	"context"
	"fmt"

	"lighter"
	"lighter/collector"
	"lighter/collector/events"
)

// eventsLog replaces a container's ID in the key of a position.
const eventsLog = "events"

// eventsJob returns the job that ships the events of a path's Engine. The events do not pass through
// stages, which are made for one log each.
func (a *Agent) eventsJob(p path) collector.Job {
	g := a.graph.Load()
	end, asked := g.part(p.endpoint), g.part(p.args.Engine)
	return collector.Job{
		ID:      p.key(eventsLog),
		Version: fmt.Sprint(g.nodes[p.source.Name].hash, "/", end.id, "/", asked.id),
		New: func() (collector.Runner, error) {
			s := events.New(events.Options{
				Logs:      a.counted(end),
				Positions: a.positionsOf(p),
				Key:       p.key(eventsLog),
				Logger:    a.o.Logger,
				Stream:    func(id string) (*lighter.Stream, bool) { return a.eventStream(p, id) },
			})
			return eventsRunner{s, asked}, nil
		},
	}
}

// eventsRunner connects a source of events to a discovery for as long as the source runs.
type eventsRunner struct {
	source *events.Source
	engine *part
}

func (r eventsRunner) Run(ctx context.Context) error {
	stop := r.engine.discoverer.Follow(r.source.Since(), r.source.Tell)
	defer stop()
	return r.source.Run(ctx)
}

// eventStream returns the stream of a container's events on a path, or nil if its log is not shipped there.
// known reports whether the container was found.
func (a *Agent) eventStream(p path, id string) (_ *lighter.Stream, known bool) {
	// A container becomes known only after its wanted logs are in the view. So check first whether it is
	// known: in the other order it might become known, and its log wanted, between the two checks.
	_, known = a.containers.Container(id)
	if f, ok := a.view.logs()[p.key(id)]; ok {
		return stream(f.target.events, f.target.noEvents), true
	}
	return nil, known
}

// eventsSince returns the time of the oldest of the last delivered events of an Engine over all paths, in
// Unix nanoseconds, or 0 if none was delivered.
func (a *Agent) eventsSince(engine string) (since int64) {
	for _, p := range paths(a.graph.Load().plan) {
		if !p.args.Events || p.args.Engine != engine {
			continue
		}
		if at := a.positionsOf(p).Acked(p.key(eventsLog)).Time; at != 0 && (since == 0 || at < since) {
			since = at
		}
	}
	return since
}
