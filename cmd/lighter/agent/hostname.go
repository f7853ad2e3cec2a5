package agent

import (
	"context"
	"os"
	"time"

	"lighter/config"
	"lighter/discovery/docker"
)

// hostName returns the name of the host: the plan's, or else that of an Engine that responds within
// patience, or else the system's. It blocks for up to patience.
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
