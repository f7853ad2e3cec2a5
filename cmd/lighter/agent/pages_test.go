package agent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

// newest returns the newest value of a series of a container or a job, or -1 if there is none.
func newest(b *backend, name, label, value string) float64 {
	v := -1.0
	for _, s := range b.Series(labels.MustNewMatcher(labels.MatchEqual, "__name__", name), labels.MustNewMatcher(labels.MatchEqual, label, value)) {
		if n := len(s.Samples); n > 0 && !s.Samples[n-1].Stale() {
			v = s.Samples[n-1].Value
		}
	}
	return v
}

// usageNode returns a node for the metrics of the Engine's containers.
func usageNode() config.Node {
	return config.Node{Name: "usage", From: []string{"engine"}, Args: config.ContainerMetrics{Engine: "engine", Interval: time.Second}}
}

// Out-of-memory events of containers are counted once, however often a reload replaces the node whose
// Engine reports them.
func TestOutOfMemoryIsCountedOverReloads(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	plan := func(refresh time.Duration) *config.Plan {
		p := h.plan([]config.Node{promNode("prom", b), usageNode(), scrapeNode("usage", "prom")})
		c := p.Nodes[0].Args.(docker.Config)
		c.Refresh = refresh
		p.Nodes[0].Args = c
		return p
	}
	a, stop := h.start(plan(time.Minute))
	defer stop()
	counted := func() float64 { return newest(b, "container_oom_events_total", "name", "api") }
	await(t, "the container is measured", func() bool { return counted() == 0 })
	for i := range 3 {
		api.OutOfMemory()
		await(t, fmt.Sprintf("event %d is counted", i+1), func() bool { return counted() == float64(i+1) })
		if err := a.Apply(plan(time.Minute + time.Duration(i+1)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	api.OutOfMemory()
	await(t, "the last event is counted", func() bool { return counted() >= 4 })
	if n := counted(); n != 4 {
		t.Errorf("%v times out of memory are counted, want 4", n)
	}
}

// The page of a node that a reload removes can no longer be requested.
func TestThePageOfANodeThatIsLeftOutIsGone(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	h.container("api")
	// The pages are scraped as static targets, which a reload leaves alone.
	asked := config.Node{Name: "asked", Args: config.Static{Targets: []labels.Labels{
		labels.FromStrings("__address__", "usage.lighter.internal", "job", "usage"),
		labels.FromStrings("__address__", "host.lighter.internal", "job", "host"),
	}}}
	base := []config.Node{promNode("prom", b), asked, scrapeNode("asked", "prom")}
	pages := []config.Node{usageNode(), {Name: "host", Args: config.HostMetrics{Root: "/"}}}
	a, stop := h.start(h.plan(base, pages))
	defer stop()
	up := func(want float64) func() bool {
		return func() bool { return newest(b, "up", "job", "usage") == want && newest(b, "up", "job", "host") == want }
	}
	await(t, "both pages are there", up(1))
	if err := a.Apply(h.plan(base)); err != nil {
		t.Fatal(err)
	}
	await(t, "both pages are gone", up(0))
	if err := a.Apply(h.plan(base, pages)); err != nil {
		t.Fatal(err)
	}
	await(t, "both pages are back", up(1))
}

// The limit of the series of a metric counted from lines is that of the running plan, not that of the first
// one.
func TestTheLimitOfLogMetricsFollowsAReload(t *testing.T) {
	h, b := newHost(t), newBackend(t)
	api := h.container("api")
	plan := func(series int) *config.Plan {
		return h.plan(logs("logs", "logs", "stages"), []config.Node{
			{Name: "stages", To: []string{"loki"}, Args: config.Stages{List: []any{config.LogMetrics{Declarations: "seen{n} = count(n)", Series: series}}}},
			lokiNode("loki", b), promNode("prom", b), {Name: "page", Args: config.LogMetricsPage{}}, scrapeNode("page", "prom"),
		})
	}
	a, stop := h.start(plan(2))
	defer stop()
	next := 0
	write := func() {
		for range 5 {
			h.mu.Lock()
			h.clock += 1001
			api.WriteAt(h.clock, dockersim.Stdout, fmt.Sprintf("n=%d", next))
			h.mu.Unlock()
			next++
		}
	}
	series := func(want int) func() bool {
		return func() bool {
			return len(b.Series(labels.MustNewMatcher(labels.MatchEqual, "__name__", "seen"))) == want
		}
	}
	write()
	await(t, "two series, as the limit says", series(2))
	await(t, "three lines are refused", func() bool { return newest(b, "lighter_log_metrics_refused_total", "metric", "seen") == 3 })
	if err := a.Apply(plan(5)); err != nil {
		t.Fatal(err)
	}
	write()
	await(t, "five series, as the new limit says", series(5))
}
