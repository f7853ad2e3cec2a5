package e2e

import (
	"strings"
	"testing"
	"time"
)

// sameSecond writes short lines in the same second as one over 8 KiB, which some Engines keep in pieces, and
// restarts the agent repeatedly, the last time before more lines are written. If the Engine's times are
// whole seconds, all these lines have the same time. No line may be sent twice.
func (l *lab) sameSecond(t *testing.T) {
	a := l.agent(t, "second", agentOptions{include: "second-*"})
	long := strings.Repeat("0123456789", 2000)
	orders := map[string][]string{
		"second-short-last": {"before", "same", long, "same", "after"},
		"second-long-last":  {"before", "same", "same", long},
		"second-long-twice": {long, "between", long},
	}
	written := make(map[*generator][]string)
	var all []*generator
	for name, lines := range orders {
		var says []string
		for _, line := range lines {
			says = append(says, "out:"+line+"\n")
		}
		g := l.generate(t, name, generatorOptions{says: append(says, "wait:20s", "out:much later\n", "stay")})
		written[g], all = lines, append(all, g)
	}
	for g, lines := range written {
		a.gets(t, 30*time.Second, g, "stdout", lines...)
	}
	for range 3 {
		a.stop(t)
		must(t, a.Start(t.Context()))
		a.waitReady(t)
		pass(t, 2*time.Second)
	}
	for g, lines := range written {
		a.gets(t, 30*time.Second, g, "stdout", append(lines[:len(lines):len(lines)], "much later")...)
		must(t, g.StopWithin(t.Context(), 1))
	}
	a.verify(t, 20*time.Second, all...)
}
