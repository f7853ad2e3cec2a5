package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/backend"
)

// limited lets Loki limit the rate of each stream. A noisy container exceeds that limit, and another one,
// which does not, must not wait for it. In the end, Loki has every line of both.
func (l *lab) limited(t *testing.T) {
	ctx := t.Context()
	loki, err := backend.StartLoki(ctx, t.TempDir(), backend.SlowStreams)
	must(t, err)
	t.Cleanup(func() { loki.Close() })
	must(t, loki.Ready(ctx))
	shared := l.loki
	l.loki = loki
	defer func() { l.loki = shared }()

	a := l.agent(t, "limited", agentOptions{include: "limited-*"})
	noisy := l.generate(t, "limited-noisy", generatorOptions{}, "-count", "12000", "-rate", "4000", "-size", "180")
	quiet := l.generate(t, "limited-quiet", generatorOptions{}, "-count", "250", "-rate", "50", "-stderr", "5")
	noisy.waitExited(t, 0)
	quiet.waitExited(t, 0)

	all := len(noisy.lines(t))
	a.hasInLoki(t, 30*time.Second, quiet)
	if n := a.countInLoki(t, noisy); n >= all {
		t.Errorf("Loki has all %d lines of the noisy container as soon as those of the quiet one: its stream was not limited", n)
	}
	a.hasInLoki(t, 3*time.Minute, noisy)
	if said := a.Output(ctx, 1000); !strings.Contains(said, "Loki refuses a stream that is over its limit") {
		t.Errorf("the agent does not report that Loki limits a stream:\n%s", said)
	}

	want := a.streams(t, []*generator{noisy, quiet})
	a.stop(t)
	a.inLoki(t, want)
	// Loki stores the valid part of a request that it refuses, so not all stored lines are acknowledged.
	c, unexpected := compare(want, a.pushes.Entries())
	if c.twice > 0 || c.disordered > 0 || len(unexpected) > 0 {
		t.Errorf("sent twice %d (%s), out of order %d, entries that nobody wrote %d", c.twice, c.first, c.disordered, len(unexpected))
	}
	c.scenario, c.seconds = a.environment, time.Since(a.began).Seconds()
	c.delivered = a.countInLoki(t, noisy) + a.countInLoki(t, quiet)
	c.lost = c.written - c.delivered
	l.report(c)
}

// hasInLoki waits until Loki has all lines that a generator wrote.
func (a *agent) hasInLoki(t *testing.T, within time.Duration, g *generator) {
	t.Helper()
	want := len(g.lines(t))
	must(t, poll(t.Context(), within, func(context.Context) error {
		if n := a.countInLoki(t, g); n < want {
			return fmt.Errorf("Loki has %d of %d lines of %s", n, want, g.Name)
		}
		return nil
	}))
}

// countInLoki returns how many lines of a generator Loki has.
func (a *agent) countInLoki(t *testing.T, g *generator) int {
	t.Helper()
	streams, err := a.lab.loki.Query(t.Context(), fmt.Sprintf(`{environment=%q,container=%q}`, a.environment, g.Name), a.lab.began.Add(-time.Hour))
	must(t, err)
	n := 0
	for _, s := range streams {
		n += len(s.Entries)
	}
	return n
}
