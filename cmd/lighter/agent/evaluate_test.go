package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/config/env"
)

func envPlan(t *testing.T, environ ...string) *config.Plan {
	t.Helper()
	p, warnings, err := env.FromEnv(append([]string{"GRAFANA_LOKI_URL=http://loki.test", "GRAFANA_PROM_URL=http://prom.test/push", "ENVIRONMENT=production"}, environ...), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	return p
}

// nodeOf returns the first node of a kind.
func nodeOf[Args any](p *config.Plan) (n config.Node, args Args) {
	for n, args := range config.All[Args](p) {
		return n, args
	}
	return n, args
}

func dockerTarget(c *lighter.Container, address string, meta ...string) lighter.Target {
	b := labels.NewBuilder(labels.FromStrings(meta...))
	b.Set("__address__", address)
	b.Set("__meta_docker_container_id", c.ID)
	b.Set("__meta_docker_container_name", "/"+c.Name)
	b.Set(lighter.LabelDockerHost, "mini")
	return lighter.Target{Labels: b.Labels(), Container: c}
}

func TestLogTargets(t *testing.T) {
	api := &lighter.Container{ID: "1", Name: "shop-api-1", Running: true}
	bare := &lighter.Container{ID: "2", Name: "bare"}
	self := &lighter.Container{ID: "3", Name: "lighter", Running: true, Self: true}
	quiet := &lighter.Container{ID: "4", Name: "quiet", Running: true}
	unknown := &lighter.Container{ID: "5", Name: "5", Running: true, SkipReason: "it is not JSON"}
	p := envPlan(t)
	e := evaluate(p, map[string][]lighter.Target{"docker": {
		dockerTarget(unknown, ""),
		dockerTarget(api, "10.0.0.2:3000", "__meta_docker_container_label_com_docker_compose_service", "api"),
		dockerTarget(api, "10.0.0.2:9090", "__meta_docker_container_label_com_docker_compose_service", "api"),
		dockerTarget(bare, ""),
		dockerTarget(self, "10.0.0.3:80"),
		dockerTarget(quiet, "10.0.0.4:80", "__meta_docker_container_label_lighter_logs", "false"),
	}}, nil)
	logs, source := nodeOf[config.LogSource](p)
	got := map[string][2]string{}
	for _, lt := range logTargets(source, e.inputs(logs)) {
		if lt.noOut || lt.noErr {
			t.Errorf("%s: a stream is left out", lt.container.Name)
		}
		got[lt.container.ID] = [2]string{lt.out.String(), lt.err.String()}
	}
	want := map[string][2]string{
		"1": {`{container="shop-api-1", host="mini", instance="mini", job="integrations/docker", service="api", stream="stdout"}`, `{container="shop-api-1", host="mini", instance="mini", job="integrations/docker", service="api", stream="stderr"}`},
		"2": {`{container="bare", host="mini", instance="mini", job="integrations/docker", service="bare", stream="stdout"}`, `{container="bare", host="mini", instance="mini", job="integrations/docker", service="bare", stream="stderr"}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScrapeTargets(t *testing.T) {
	api := &lighter.Container{ID: "1", Name: "api", Running: true}
	stopped := &lighter.Container{ID: "2", Name: "stopped", Finished: time.Unix(1, 0)}
	other := &lighter.Container{ID: "3", Name: "other", Running: true}
	p := envPlan(t, "LIGHTER_SCRAPE_TARGETS=db:9187")
	_, static := nodeOf[config.Static](p)
	scrapes, _ := nodeOf[scrape.Config](p)
	e := evaluate(p, map[string][]lighter.Target{
		"docker": {
			dockerTarget(api, "10.0.0.2:3000", "__meta_docker_container_label_lighter_scrape", "true", "__meta_docker_container_label_lighter_port", "9100"),
			dockerTarget(api, "10.0.0.2:3001", "__meta_docker_container_label_lighter_scrape", "true", "__meta_docker_container_label_lighter_port", "9100"),
			dockerTarget(stopped, "10.0.0.3:80", "__meta_docker_container_label_lighter_scrape", "true"),
			dockerTarget(other, "10.0.0.4:80"),
		},
		"static": {{Labels: static.Targets[0]}},
	}, nil)
	var got []string
	for _, target := range scrapeTargets(e.inputs(scrapes)) {
		got = append(got, target.Labels.Get("job")+" "+target.Labels.Get("__address__"))
	}
	if diff := cmp.Diff([]string{"api 10.0.0.2:9100", "db db:9187"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestScrapeTargetsKeepWhatErrorsName: scrape targets keep the labels that errors of a scrape mention.
func TestScrapeTargetsKeepWhatErrorsName(t *testing.T) {
	api := &lighter.Container{ID: "1", Name: "api", Running: true}
	p := envPlan(t)
	e := evaluate(p, map[string][]lighter.Target{"docker": {
		dockerTarget(api, "10.0.0.2:3000", "__meta_docker_container_label_lighter_scrape", "true", "__meta_docker_container_label_lighter_port", "http", "__meta_docker_network_name", "host", "__meta_docker_port_private", "3000"),
	}}, nil)
	scrapes, settings := nodeOf[scrape.Config](p)
	got := scrapeTargets(e.inputs(scrapes))
	if len(got) != 1 {
		t.Fatalf("targets = %v, want one", got)
	}
	if l := got[0].Labels; l.Get("__meta_docker_network_name") != "host" || l.Has("__meta_docker_port_private") {
		t.Errorf("labels = %s, want the network's name kept and the port dropped", l)
	}
	if _, err := scrape.New(got[0], settings, scrape.Options{}); err == nil || !strings.Contains(err.Error(), "label lighter.port") {
		t.Errorf("err = %v, want the container's label named", err)
	}
}
