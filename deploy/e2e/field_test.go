package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/gate"
)

// fieldAtLeast is the minimum timeout for all situations, once everything is built.
const fieldAtLeast = 12 * time.Minute

// TestField reproduces situations that people reported for similar agents, each on every Engine that
// supports it. There is no Loki: a server that accepts everything replaces it.
func TestField(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && time.Until(deadline) < fieldAtLeast {
		t.Fatalf("this takes longer than the remaining time of go test: run go test with a longer -timeout")
	}
	engines := askedKinds(t, kinds)
	l := openLab(t)
	l.on(t, engines, func(t *testing.T) {
		for _, s := range []struct {
			name  string
			reads reads
			play  func(*lab, *testing.T)
		}{
			{"prompt", filesToo, (*lab).prompt},
			{"last_words", filesToo, (*lab).lastWords},
			{"torn", filesAlways, (*lab).torn},
			{"proxy", socketAlone, (*lab).proxy},
			{"same_second", filesToo, (*lab).sameSecond},
			{"untimed", socketAlone, (*lab).untimed},
			{"silent", socketAlone, (*lab).silent},
		} {
			l.play(t, s.name, s.reads, func(t *testing.T) { s.play(l, t) })
		}
	})
}

// noGaps checks that the agent has not reported lost lines, which would mean that the Engine no longer has
// them.
func (a *agent) noGaps(t *testing.T) {
	t.Helper()
	if gaps := a.metric(t, "lighter_log_gaps_total"); gaps > 0 {
		t.Errorf("%s: lighter_log_gaps_total is %v, although no line was deleted", a.environment, gaps)
	}
	for line := range strings.Lines(a.Output(t.Context(), 1000)) {
		if strings.Contains(line, "lines are lost") {
			t.Errorf("%s: the agent says that lines are lost: %s", a.environment, line)
		}
	}
}

// texts returns the delivered lines of a stream of a container, in the order in which they arrived.
func (a *agent) texts(g *generator, stream string) []string {
	var out []string
	for _, e := range a.pushes.Entries() {
		if labelled(e, "container", g.Name) && labelled(e, "stream", stream) {
			out = append(out, e.Text)
		}
	}
	return out
}

func labelled(e gate.Entry, name, value string) bool {
	return strings.Contains(e.Labels, fmt.Sprintf("%s=%q", name, value))
}

// gets waits until exactly these texts of a container's stream have been delivered, each once and in that
// order. At the deadline, it fails the test and prints what arrived.
func (a *agent) gets(t *testing.T, within time.Duration, g *generator, stream string, want ...string) {
	t.Helper()
	err := poll(t.Context(), within, func(context.Context) error {
		if got := a.texts(g, stream); !slices.Equal(got, want) {
			return fmt.Errorf("of %s's %s came %d lines, want %d: %s", g.Name, stream, len(got), len(want), difference(got, want))
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: after %s: %v", a.environment, within, err)
	}
}

// difference describes which of the wanted lines are missing, and which other ones arrived.
func difference(got, want []string) string {
	var extra []string
	missing := slices.Clone(want)
	for _, line := range got {
		if i := slices.Index(missing, line); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else {
			extra = append(extra, line)
		}
	}
	if len(missing) == 0 && len(extra) == 0 {
		return fmt.Sprintf("they are in another order: %.1000q", got)
	}
	return fmt.Sprintf("missing %.1000q, and also arrived %.1000q", missing, extra)
}
