package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
)

// The Engine reports the start of a container before discovery has described it. No such event is lost,
// whenever the container is looked up in between.
func TestEventsOfNewContainers(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	nodes := logs("logs", "logs", "loki")
	source := nodes[1].Args.(config.LogSource)
	source.Events = true
	nodes[1].Args = source
	const before, after = 100, 100
	for i := range before { // so that there is something to be evaluated
		h.container(fmt.Sprint("old-", i))
	}
	a, stop := h.start(h.plan(nodes, []config.Node{lokiNode("loki", b)}))
	defer stop()
	await(t, "the containers are found", func() bool { return len(a.Status().Containers) == before })
	for i := range after {
		h.container(fmt.Sprint("new-", i))
		time.Sleep(10 * time.Millisecond) // so that they come at all times between two evaluations
	}
	told := func() (n int) {
		for _, s := range b.Streams(labels.MustNewMatcher(labels.MatchRegexp, "container", "new-.*")) {
			for _, e := range s.Entries {
				if strings.HasPrefix(e.Line, "event=start") {
					n++
				}
			}
		}
		return n
	}
	await(t, "the starts of containers arrive", func() bool { return told() >= after })
	if n := told(); n != after {
		t.Errorf("%d starts of containers arrived, want %d", n, after)
	}
}
