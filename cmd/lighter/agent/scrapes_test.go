package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/scrape"
	"lighter/config"
)

// A scrape with too many targets scrapes none of them, and with a higher limit all.
func TestTargetLimit(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	page := pageOf(t, "a 1\n")
	one := page.Args.(config.Static).Targets[0]
	page.Args = config.Static{Targets: []labels.Labels{one, labels.NewBuilder(one).Set("instance", "two").Labels()}}
	failures := filepath.Join(t.TempDir(), "failures")
	plan := func(limit int) *config.Plan {
		n := scrapeNode("static", "prom")
		c := n.Args.(scrape.Config)
		c.TargetLimit, c.FailureLogFile = limit, failures
		n.Args = c
		return h.plan([]config.Node{page, promNode("prom", b), n})
	}
	a, stop := h.start(plan(1))
	defer stop()
	last := func(instance string) float64 {
		for _, s := range b.Series(labels.MustNewMatcher(labels.MatchEqual, "__name__", "up"), labels.MustNewMatcher(labels.MatchEqual, "instance", instance)) {
			return s.Samples[len(s.Samples)-1].Value
		}
		return -1
	}
	await(t, "both targets are down", func() bool { return last("one") == 0 && last("two") == 0 })
	if err := a.Apply(plan(2)); err != nil {
		t.Fatal(err)
	}
	await(t, "both targets are up", func() bool { return last("one") == 1 && last("two") == 1 })
	logged, err := os.ReadFile(failures)
	if err != nil || !strings.Contains(string(logged), `"msg":"the scrape has 2 targets, more than 1, the limit: none is asked"`) {
		t.Errorf("the log of failures: %q, %v; want why none was asked", logged, err)
	}
}
