package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/config"
)

func envPlan(t *testing.T, environ ...string) *config.Plan {
	t.Helper()
	p, warnings, err := config.FromEnv(append([]string{"GRAFANA_LOKI_URL=http://loki.test", "GRAFANA_PROM_URL=http://prom.test/push", "ENVIRONMENT=production"}, environ...), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	return p
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
	unknown := &lighter.Container{ID: "5", Name: "5", Running: true, Unknown: "it is not JSON"}
	p := envPlan(t)
	nodes := relabelTargets(p, map[string][]lighter.Target{p.Docker[0].Name: {
		dockerTarget(unknown, ""),
		dockerTarget(api, "10.0.0.2:3000", "__meta_docker_container_label_com_docker_compose_service", "api"),
		dockerTarget(api, "10.0.0.2:9090", "__meta_docker_container_label_com_docker_compose_service", "api"),
		dockerTarget(bare, ""),
		dockerTarget(self, "10.0.0.3:80"),
		dockerTarget(quiet, "10.0.0.4:80", "__meta_docker_container_label_lighter_logs", "false"),
	}})
	got := map[string][2]string{}
	for _, lt := range logTargets(p.Logs[0], take(nodes, p.Logs[0].From)) {
		if lt.noOut || lt.noErr {
			t.Errorf("%s: a stream is left out", lt.container.Name)
		}
		got[lt.container.ID] = [2]string{lt.out.String(), lt.err.String()}
	}
	want := map[string][2]string{
		"1": {`{container="shop-api-1", host="mini", service="api", stream="stdout"}`, `{container="shop-api-1", host="mini", service="api", stream="stderr"}`},
		"2": {`{container="bare", host="mini", service="bare", stream="stdout"}`, `{container="bare", host="mini", service="bare", stream="stderr"}`},
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
	nodes := relabelTargets(p, map[string][]lighter.Target{
		p.Docker[0].Name: {
			dockerTarget(api, "10.0.0.2:3000", "__meta_docker_container_label_lighter_scrape", "true", "__meta_docker_container_label_lighter_port", "9100"),
			dockerTarget(api, "10.0.0.2:3001", "__meta_docker_container_label_lighter_scrape", "true", "__meta_docker_container_label_lighter_port", "9100"),
			dockerTarget(stopped, "10.0.0.3:80", "__meta_docker_container_label_lighter_scrape", "true"),
			dockerTarget(other, "10.0.0.4:80"),
		},
		p.Static[0].Name: {{Labels: p.Static[0].Targets[0]}},
	})
	var got []string
	for _, target := range scrapeTargets(take(nodes, p.Scrapes[0].From)) {
		got = append(got, target.Labels.Get("job")+" "+target.Labels.Get("__address__"))
	}
	if diff := cmp.Diff([]string{"api 10.0.0.2:9100", "db db:9187"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
