package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"lighter/deploy/e2e/docker"
)

// TestMain removes the images at the end; see README.md for how to keep them.
func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("LIGHTER_E2E_KEEP") != "images" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if _, err := docker.Default().Name(ctx); err == nil {
			if err := docker.Default().Clean(ctx, true); err != nil {
				fmt.Fprintln(os.Stderr, "e2e: clean up:", err)
			}
		}
		cancel()
	}
	os.Exit(code)
}

// atLeast is the time that a whole run may take on a fresh machine, builds included.
const atLeast = 30 * time.Minute

// TestLighter sets the stage once and plays the scenarios on it, one after the other. Each
// starts its own agent with an environment label, buffers and gates of its own.
func TestLighter(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && time.Until(deadline) < atLeast {
		t.Fatalf("this takes longer than go test's own limit: run go test -timeout 60m")
	}
	l := openLab(t)
	l.startBackends(t)
	t.Run("image", l.image)
	t.Run("queries", l.queries)
	t.Run("life", l.life)
	t.Run("short_lived", l.shortLived)
	t.Run("agent_killed", l.agentKilled)
	t.Run("engine_killed", l.engineKilled)
	t.Run("loki_away", l.lokiAway)
	t.Run("bad_start", l.badStart)
	t.Run("bad_targets", l.badTargets)
	l.summary(t)
}
