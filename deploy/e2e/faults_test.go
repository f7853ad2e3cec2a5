package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// agentKilled kills the agent five times in the middle of a flood, two of them when Loki has accepted lines
// and the agent does not know it yet.
func (l *lab) agentKilled(t *testing.T) {
	a := l.agent(t, "agent-killed", agentOptions{include: "flood-*"})
	json := l.generate(t, "flood-json", generatorOptions{}, "-rate", "2500", "-size", "180", "-stderr", "5")
	plain := l.generate(t, "flood-plain", generatorOptions{}, "-rate", "1500", "-format", "plain", "-stderr", "2", "-empty", "50")
	for i := range 5 {
		a.waitDelivered(t, 5000)
		if i%2 == 0 {
			a.kill(t)
			continue
		}
		release := a.logs.Hold()
		a.waitDelivered(t, 1)
		a.kill(t)
		release()
	}
	a.waitDelivered(t, 5000)
	for _, g := range []*generator{json, plain} {
		s, err := g.State(t.Context())
		must(t, err)
		if !s.Running {
			t.Errorf("%s ended before the last kill", g.Name)
		}
		must(t, g.Stop(t.Context()))
	}
	a.verify(t, 2*time.Minute, json, plain)
}

// lokiAway refuses all connections to Loki for a minute and until the agent reports that. Meanwhile metrics
// must still be delivered.
func (l *lab) lokiAway(t *testing.T) {
	a := l.agent(t, "loki-away", agentOptions{include: "away-*", env: []string{"LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_SCRAPE_TIMEOUT=1s"}})
	g := l.generate(t, "away-api", generatorOptions{docker: []string{"--label", "lighter.scrape=true", "--label", "lighter.port=3000"}},
		"-rate", "200", "-stderr", "5", "-listen", ":3000")
	a.waitDelivered(t, 500)
	must(t, a.logs.Shut(t.Context()))
	shut := time.Now()
	eventually(t, 100*time.Second, func(ctx context.Context) error {
		status, body, err := a.get(ctx, "/ready")
		if err == nil && (status != http.StatusServiceUnavailable || time.Since(shut) < time.Minute) {
			err = fmt.Errorf("Loki is away for %s and /ready answers %d: %s", time.Since(shut).Round(time.Second), status, body)
		}
		return err
	})
	got, err := l.prom.Query(t.Context(), `count_over_time(up{environment="loki-away",container="away-api"}[30s])`)
	must(t, err)
	if len(got) != 1 || got[0].Value < 25 {
		t.Errorf("while Loki was away, %v samples of up came in 30 s, want 30", got)
	}
	must(t, a.logs.Open())
	a.waitReady(t)
	a.waitDelivered(t, 1000)
	must(t, g.Stop(t.Context()))
	a.verify(t, time.Minute, g)
}

// waitRunning waits until the container is running.
func (g *generator) waitRunning(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, func(ctx context.Context) error {
		s, err := g.State(ctx)
		if err == nil && !s.Running {
			err = errors.New(g.Name + " is not running")
		}
		return err
	})
}
