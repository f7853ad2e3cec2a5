package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// hasRead waits until a line has arrived.
func (a *agent) hasRead(t *testing.T, g *generator, line string) {
	t.Helper()
	must(t, poll(t.Context(), time.Minute, func(context.Context) error {
		if !slices.Contains(a.texts(g, "stdout"), line) {
			return fmt.Errorf("%s has not said %q", g.Name, line)
		}
		return nil
	}))
}

// prompt repeatedly starts programs on a terminal that end with a prompt: a last line without a newline. The
// text after it belongs to the next run and must be a separate line.
func (l *lab) prompt(t *testing.T) {
	ctx := t.Context()
	a := l.agent(t, "prompt", agentOptions{include: "prompt-*"})
	says := generatorOptions{tty: true, says: []string{"out:start %n\n", "out:ready %n\n", "out:> ", "stay"}}
	stopped := l.generate(t, "prompt-stopped", says)
	restarted := l.generate(t, "prompt-restarted", says)
	missed := l.generate(t, "prompt-missed", says)
	var want []string
	run := func(n int) {
		want = append(want, fmt.Sprintf("start %d", n), fmt.Sprintf("ready %d", n), "> ")
	}
	const runs = 4
	for n := 1; n < runs; n++ {
		run(n)
		// The next run must not begin in the second of this run's last line: an Engine whose times are
		// whole seconds would return the two lines as one.
		for _, g := range []*generator{stopped, restarted} {
			a.hasRead(t, g, fmt.Sprintf("ready %d", n))
		}
		pass(t, 2*time.Second)
		must(t, stopped.StopWithin(ctx, 0))
		pass(t, time.Second) // time to deliver the prompt alone
		must(t, stopped.Start(ctx))
		must(t, restarted.restart(ctx, 0))
	}
	run(runs)
	for _, g := range []*generator{stopped, restarted} {
		pass(t, time.Second)
		must(t, g.StopWithin(ctx, 0))
		a.gets(t, 30*time.Second, g, "stdout", want...)
	}

	// While the agent is stopped, a program ends, is started again and ends.
	a.stop(t)
	must(t, missed.restart(ctx, 0))
	pass(t, time.Second)
	must(t, missed.StopWithin(ctx, 0))
	must(t, a.Start(ctx))
	a.waitReady(t)
	a.gets(t, 30*time.Second, missed, "stdout", want[:6]...)
	a.noGaps(t)
	a.verify(t, 10*time.Second, stopped, restarted, missed)
}
