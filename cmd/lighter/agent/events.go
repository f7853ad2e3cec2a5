package agent

import (
	"context"
	"fmt"

	"lighter"
	"lighter/collector"
	"lighter/collector/events"
)

// eventsLog stands where a container's id does in the key of a position.
const eventsLog = "events"

// eventsJob returns the job that ships what the Engine of a path tells of its containers. The events do not
// pass through stages, which are made for one log each.
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

// eventsRunner has a discovery tell a source of events for as long as the source runs.
type eventsRunner struct {
	source *events.Source
	engine *part
}

func (r eventsRunner) Run(ctx context.Context) error {
	stop := r.engine.discoverer.Follow(r.source.Since(), r.source.Tell)
	defer stop()
	return r.source.Run(ctx)
}

// eventStream returns the stream of a container's events on a path, nil if its log is not shipped there;
// known reports whether the container was found.
func (a *Agent) eventStream(p path, id string) (_ *lighter.Stream, known bool) {
	// A container is known only once the logs that are wanted of it are in the view. So whether it is known is
	// asked first: else it might become known, and its log wanted, between the two questions.
	_, known = a.containers.Container(id)
	if f, ok := a.view.logs()[p.key(id)]; ok {
		return stream(f.target.events, f.target.noEvents), true
	}
	return nil, known
}

// eventsSince returns the time of the oldest of the last events that were delivered of what an Engine tells,
// Unix nanoseconds; 0 if none was.
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
