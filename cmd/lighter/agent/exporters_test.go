package agent_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	hostmetrics "lighter/collector/host"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/dockersim"
)

// The pages that imitate Alloy's exporters have the same labels.
func TestExporters(t *testing.T) {
	t.Setenv("HOSTNAME", "alloy-host")
	h, b := newHost(t), newBackend(t)
	h.engine.Create(dockersim.Spec{Name: "api", Labels: map[string]string{"com.example.team": "shop", "tier": "1"}}).Start()
	unix := hostmetrics.DefaultExporter()
	unix.Set = []string{"loadavg", "uname", "no_such_collector"}
	scrapes := func(of ...string) (all []config.Node) {
		for _, name := range of {
			n := scrapeNode(name, "prom")
			c := n.Args.(scrape.Config)
			n.Name, c.Job = "scrape."+name, "prometheus.scrape."+name
			n.Args = c
			all = append(all, n)
		}
		return all
	}
	_, stop := h.start(h.plan([]config.Node{
		promNode("prom", b),
		{Name: "prometheus.exporter.self.me", Args: config.Self{Job: "integrations/self"}},
		{Name: "prometheus.exporter.unix.host", Args: config.HostMetrics{Unix: &unix}},
		{Name: "prometheus.exporter.cadvisor.all", From: []string{"engine"}, Args: config.ContainerMetrics{Engine: "engine", Interval: time.Second, CAdvisor: &config.CAdvisor{ContainerLabels: true}}},
		{Name: "prometheus.exporter.cadvisor.some", From: []string{"engine"}, Args: config.ContainerMetrics{Engine: "engine", Interval: time.Second, CAdvisor: &config.CAdvisor{LabelAllowlist: []string{"com.example.team"}}}},
	}, scrapes("prometheus.exporter.self.me", "prometheus.exporter.unix.host", "prometheus.exporter.cadvisor.all", "prometheus.exporter.cadvisor.some")))
	defer stop()
	find := func(name string, equal ...string) []labels.Labels {
		matchers := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", name)}
		for i := 0; i+1 < len(equal); i += 2 {
			matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, equal[i], equal[i+1]))
		}
		var found []labels.Labels
		for _, s := range b.Series(matchers...) {
			found = append(found, s.Labels)
		}
		return found
	}
	await(t, "the pages arrive", func() bool {
		return len(find("up")) == 3 && len(find("container_last_seen")) == 2 && len(find("lighter_build_info")) > 0
	})
	for _, job := range []string{"integrations/self", "integrations/unix", "integrations/cadvisor"} { // two cadvisors are one target
		want := []labels.Labels{labels.FromStrings("__name__", "up", "instance", "alloy-host", "job", job)}
		if diff := cmp.Diff(want, find("up", "job", job), cmp.Comparer(labels.Equal)); diff != "" {
			t.Errorf("up of %s (-want +got):\n%s", job, diff)
		}
	}
	seen := map[string]bool{}
	for _, l := range find("container_last_seen", "name", "api") {
		seen[labels.NewBuilder(l).Del("__name__", "id", "image", "name", "instance", "job").Labels().String()] = true
		if !strings.HasPrefix(l.Get("id"), "/") || l.Get("job") != "integrations/cadvisor" {
			t.Errorf("%s has not the labels of cAdvisor", l)
		}
	}
	if diff := cmp.Diff(map[string]bool{`{container_label_com_example_team="shop", container_label_tier="1"}`: true, `{container_label_com_example_team="shop"}`: true}, seen); diff != "" {
		t.Errorf("the container's own labels (-want +got):\n%s", diff)
	}
	if runtime.GOOS == "linux" {
		if _, err := os.Stat("/proc/loadavg"); err == nil {
			await(t, "the load arrives", func() bool { return len(find("node_load1", "job", "integrations/unix", "instance", "alloy-host")) == 1 })
			if got := find("node_scrape_collector_success", "collector", "loadavg"); len(got) != 1 {
				t.Errorf("%d series say how the collector went, want 1", len(got))
			}
		}
	}
}
