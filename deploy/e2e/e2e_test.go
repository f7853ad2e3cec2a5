package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"lighter/deploy/e2e/docker"
)

// TestMain removes the images at the end; README.md describes how to keep them.
func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("LIGHTER_E2E_KEEP") != "images" {
		removeImages()
	}
	os.Exit(code)
}

// removeImages removes everything that runs leave behind, unless another run needs it.
func removeImages() {
	f, err := lockRuns(false)
	if err != nil {
		return // the other run removes it
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := docker.Default().Name(ctx); err != nil {
		return // there is no Engine
	}
	if err := docker.Default().Clean(ctx, true); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: clean up:", err)
	}
}

// atLeast is the minimum timeout of a complete run, which on a new machine includes the builds.
const atLeast = 30 * time.Minute

// where selects the Engines on which a scenario runs.
type where int

const (
	machineAlone where = iota // it does not depend on the Engine
	everyEngine               // it depends on how an Engine reports logs and containers
)

// TestLighter starts the backends once and runs the scenarios one after the other. Each starts its own agent
// with its own environment label, buffers and gates. The main scenarios run again with each way to read
// logs, and on each Engine.
func TestLighter(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && time.Until(deadline) < atLeast {
		t.Fatalf("this takes longer than go test's default timeout: run go test -timeout 60m")
	}
	engines := askedKinds(t, kinds)
	l := openLab(t)
	l.startBackends(t)
	l.on(t, engines, func(t *testing.T) {
		for _, s := range []struct {
			name  string
			where where
			reads reads
			play  func(*lab, *testing.T)
		}{
			{"image", machineAlone, socketAlone, (*lab).image},
			{"queries", machineAlone, socketAlone, (*lab).queries},
			{"life", everyEngine, bothAlways, (*lab).life},
			{"short_lived", everyEngine, filesAlways, (*lab).shortLived},
			{"agent_killed", everyEngine, filesAlways, (*lab).agentKilled},
			{"engine_killed", machineAlone, bothAlways, (*lab).engineKilled},
			{"loki_away", machineAlone, socketAlone, (*lab).lokiAway},
			{"limited", machineAlone, socketAlone, (*lab).limited},
			{"understands", machineAlone, socketAlone, (*lab).understands},
			{"alloy_file", machineAlone, socketAlone, (*lab).alloyFile},
			{"printed_config", machineAlone, socketAlone, (*lab).printedConfig},
			{"usage", everyEngine, socketAlone, (*lab).usage},
			{"host", machineAlone, socketAlone, (*lab).hostAndBudget},
			{"runtimes", machineAlone, socketAlone, (*lab).runtimesThrow},
			{"bad_start", machineAlone, socketAlone, (*lab).badStart},
			{"bad_targets", machineAlone, socketAlone, (*lab).badTargets},
		} {
			if s.where == everyEngine || l.stage == l.machine {
				l.play(t, s.name, s.reads, func(t *testing.T) { s.play(l, t) })
			}
		}
	})
	l.summary(t)
}
