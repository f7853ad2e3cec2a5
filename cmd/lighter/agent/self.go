package agent

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/config"
	"lighter/discovery/docker"
)

// selfHost is where scrape loops find the agent's own metrics. It is a name that no network has.
const selfHost = "self.lighter.internal"

// selfSource is the agent as a target. It waits a moment for the Engine to say what the
// host is called: in a container the agent's own name for it changes with the container.
type selfSource struct{ a *Agent }

const hostPatience = 10 * time.Second

func (s selfSource) Run(ctx context.Context, update func([]lighter.Target)) error {
	host := s.a.hostName(ctx, hostPatience)
	if ctx.Err() != nil {
		return nil
	}
	instance := host
	if s.a.o.Port != nil {
		instance = fmt.Sprintf("%s:%d", host, s.a.o.Port())
	}
	update([]lighter.Target{{Labels: labels.FromStrings("__address__", selfHost, "job", "lighter", "instance", instance)}})
	<-ctx.Done()
	return nil
}

// hostName returns what the host is called: what the plan says, else an Engine if one
// answers within patience, else what the system says. It blocks so long.
func (a *Agent) hostName(ctx context.Context, patience time.Duration) string {
	g := a.graph.Load()
	if g.plan.Agent.Host != "" {
		return g.plan.Agent.Host
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ; ctx.Err() == nil && config.Has[docker.Config](g.plan); g = a.graph.Load() {
		for n := range config.All[docker.Config](g.plan) {
			if name := g.part(n.Name).engine.HostName(ctx); name != "" {
				return name
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// transport serves the pages of the process itself, and asks the network for all others.
type transport struct {
	own     http.RoundTripper
	network http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == selfHost {
		return t.own.RoundTrip(r)
	}
	return t.network.RoundTrip(r)
}

func (t transport) CloseIdleConnections() {
	if c, ok := t.network.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
