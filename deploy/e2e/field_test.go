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

// fieldAtLeast is the time that all situations may take, when what they need is built.
const fieldAtLeast = 12 * time.Minute

// TestField plays situations that people reported for agents like this one, each on every Engine
// where it can be had. There is no Loki: in its place is a server that takes everything.
func TestField(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && time.Until(deadline) < fieldAtLeast {
		t.Fatalf("this takes longer than what is left of go test's own limit: run go test with a longer -timeout")
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

// noGaps demands that the agent has not said that lines are lost, which is for lines that the
// Engine holds no more.
func (a *agent) noGaps(t *testing.T) {
	t.Helper()
	if gaps := a.metric(t, "lighter_log_gaps_total"); gaps > 0 {
		t.Errorf("%s: lighter_log_gaps_total is %v, and nothing was thrown away", a.environment, gaps)
	}
	for line := range strings.Lines(a.Output(t.Context(), 1000)) {
		if strings.Contains(line, "lines are lost") {
			t.Errorf("%s: the agent says that lines are lost: %s", a.environment, line)
		}
	}
}

// texts returns what was delivered of a stream of a container, in the order in which it came.
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

// gets waits until exactly these texts of a container's stream have been delivered, each once and
// in that order, and fails the test at the deadline with what came.
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

// difference says what is missing of the lines that are wanted, and what came besides.
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
	return fmt.Sprintf("missing %.1000q, and came besides %.1000q", missing, extra)
}
