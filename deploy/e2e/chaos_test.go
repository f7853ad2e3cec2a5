package e2e

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"lighter/deploy/e2e/fault"
)

// TestChaos runs every fault in turn: a backend that misbehaves, an agent or an Engine that is killed, logs
// that rotate, a full disk, little memory, many containers. Each scenario prints one line. With -short they
// last seconds, and those about size or time are skipped. They run on the machine's own Engine, or on the
// one in LIGHTER_E2E_ENGINE.
func TestChaos(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && time.Until(deadline) < atLeast {
		t.Fatalf("this takes longer than go test's default timeout: run go test -timeout 60m")
	}
	engines := askedKinds(t, kinds[:1])
	c := &chaos{lab: openLab(t), short: testing.Short()}
	c.on(t, engines, func(t *testing.T) {
		for _, s := range []struct {
			name  string
			long  bool // skipped with -short
			reads reads
			play  func(*chaos, *testing.T)
		}{
			{"refuse60", false, filesToo, (*chaos).refuse60},
			{"status500", false, filesToo, (*chaos).status500},
			{"retry-after", false, filesToo, (*chaos).retryAfter},
			{"bad20th", false, filesToo, (*chaos).bad20th},
			{"unauthorized30", false, filesToo, (*chaos).unauthorized30},
			{"blocked260", false, filesToo, (*chaos).blocked260},
			{"toolarge", false, filesToo, (*chaos).tooLarge},
			{"blackhole", false, filesToo, (*chaos).blackHole},
			{"cutbody", false, filesToo, (*chaos).cutBody},
			{"slow", false, filesToo, (*chaos).slow},
			{"kill20", false, filesAlways, (*chaos).kill20},
			{"killaway", false, filesAlways, (*chaos).killAway},
			{"term", false, filesAlways, (*chaos).term},
			{"engine", true, filesAlways, (*chaos).engineKilled},
			{"rotate-follow", false, filesAlways, (*chaos).rotateFollow},
			{"rotate-stopped", false, filesAlways, (*chaos).rotateStopped},
			{"rotate-compress", false, filesToo, (*chaos).rotateCompress},
			{"rotate-local", false, socketAlone, (*chaos).rotateLocal},
			{"diskfull", false, filesToo, (*chaos).diskFull},
			{"flood128", false, filesAlways, (*chaos).flood128},
			{"hundred", true, filesAlways, (*chaos).hundred},
			{"thousand", true, filesToo, (*chaos).thousand},
			{"metrics-kill", false, socketAlone, (*chaos).metricsKill},
			{"metrics-away60", false, socketAlone, (*chaos).metricsAway60},
		} {
			c.play(t, s.name, s.reads, func(t *testing.T) {
				if s.long && c.short {
					t.Skip("skipped with -short")
				}
				s.play(c, t)
			})
		}
	})
}

// chaos is the lab of the fault scenarios: instead of Loki and Prometheus, each scenario has its own fault
// backends.
type chaos struct {
	*lab
	short bool
}

// span returns how long something lasts, or how often it happens, depending on -short.
func span[T any](c *chaos, full, short T) T {
	if c.short {
		return short
	}
	return full
}

// victim is an agent between two fault backends.
type victim struct {
	*agent
	loki *fault.Server
	prom *fault.Server
	peak int64 // the largest resident set of the previous runs of the process, in bytes
}

// victim starts an agent that reads the containers whose names begin with the scenario's.
func (c *chaos) victim(t *testing.T, scenario string, o agentOptions) *victim {
	t.Helper()
	if o.gateway == "" {
		o.gateway, o.network = c.gateway, c.stage.network
	}
	v := new(victim)
	for _, s := range []**fault.Server{&v.loki, &v.prom} {
		backend, err := fault.New(o.gateway)
		must(t, err)
		t.Cleanup(func() { _ = backend.Refuse() }) // nothing waits for it anymore
		*s = backend
	}
	o.loki, o.prom = v.loki.URL(), v.prom.URL()
	if o.include == "" {
		o.include = scenario + "-*"
	}
	v.agent = c.agent(t, scenario, o)
	return v
}

// flood starts a generator of lines of about 100 to 300 bytes, on both streams, in both formats.
func (c *chaos) flood(t *testing.T, name string, rate int, o generatorOptions, args ...string) *generator {
	t.Helper()
	return c.generate(t, name, o, append([]string{"-rate", strconv.Itoa(rate), "-format", "mix", "-size", "200", "-stderr", "5"}, args...)...)
}

// remember records the peak memory of the process before it ends.
func (v *victim) remember(t *testing.T) {
	t.Helper()
	m, err := v.Memory(t.Context())
	if err != nil {
		t.Fatalf("%v: %v", v.alive(t.Context()), err)
	}
	v.peak = max(v.peak, m.Process)
}

// kill kills the agent with SIGKILL and starts it again.
func (v *victim) kill(t *testing.T) {
	t.Helper()
	v.remember(t)
	v.agent.kill(t)
}

// stop stops the agent as docker stop does.
func (v *victim) stop(t *testing.T) {
	t.Helper()
	v.remember(t)
	v.agent.stop(t)
}

// waitTaken waits until the backend in place of Loki has received n more lines than before.
func (v *victim) waitTaken(t *testing.T, n int) {
	t.Helper()
	had := v.loki.Lines.Taken()
	eventually(t, 2*time.Minute, func(ctx context.Context) error {
		if have := v.loki.Lines.Taken(); have < had+n {
			return fmt.Errorf("%d lines were delivered, not %d; the agent: %v", have-had, n, v.alive(ctx))
		}
		return nil
	})
}

// pass waits for a time.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
