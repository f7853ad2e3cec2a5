package env_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every plan that the environment can produce can be built.
func TestPlansOfTheEnvironmentAreValid(t *testing.T) {
	for name, environ := range map[string][]string{
		"local mode": nil,
		"both":       {"GRAFANA_LOKI_URL=http://l", "GRAFANA_PROM_URL=http://p", "LIGHTER_SCRAPE_TARGETS=api:3000"},
		"logs":       {"GRAFANA_LOKI_URL=http://l"},
		"metrics":    {"GRAFANA_PROM_URL=http://p", "LIGHTER_SELF_METRICS=off"},
		"files":      {"GRAFANA_LOKI_URL=http://l", "LIGHTER_LOG_SOURCE=file"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := plan(t, environ...).Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Two nodes with the same arguments have the same hash, and any change gives another one, including
// secrets, labels and rules, which print alike or not at all.
func TestHash(t *testing.T) {
	hashes := func(environ ...string) map[string]string {
		all := map[string]string{}
		for _, n := range plan(t, environ...).Nodes {
			all[n.Name] = n.Hash()
		}
		return all
	}
	base := []string{"GRAFANA_LOKI_URL=http://l", "GRAFANA_LOKI_TOKEN=one", "GRAFANA_PROM_URL=http://p", "GRAFANA_PROM_USER=u", "GRAFANA_PROM_TOKEN=one",
		"ENVIRONMENT=prod", "LIGHTER_SCRAPE_TARGETS=api:1", "LIGHTER_INCLUDE=a*", "HTTP_PROXY=http://u:one@proxy:1"}
	before := hashes(base...)
	if diff := cmp.Diff(before, hashes(base...)); diff != "" {
		t.Errorf("the same settings have other hashes:\n%s", diff)
	}
	for change, want := range map[string][]string{
		"GRAFANA_LOKI_TOKEN=two":               {"loki"},
		"GRAFANA_PROM_TOKEN=two":               {"prometheus"},
		"HTTP_PROXY=http://u:two@proxy:1":      {"loki", "prometheus"},
		"ENVIRONMENT=dev":                      {"loki", "prometheus"},
		"LIGHTER_SCRAPE_TARGETS=api:2":         {"static"},
		"LIGHTER_INCLUDE=b*":                   {"containers"},
		"LIGHTER_LOGS_SINCE=1h":                {"logs"},
		"LIGHTER_SCRAPE_INTERVAL=31s":          {"log_metrics_scrape", "scrape"},
		"DOCKER_HOST=tcp://engine:2375":        {"docker"},
		"LIGHTER_LOG_LEVEL=debug":              nil,
		"GRAFANA_LOKI_URL=http://l/other/push": {"loki"},
	} {
		t.Run(change, func(t *testing.T) {
			var changed []string
			for name, hash := range hashes(append(base[:len(base):len(base)], change)...) {
				if hash != before[name] {
					changed = append(changed, name)
				}
			}
			if diff := cmp.Diff(want, changed, sorted); diff != "" {
				t.Errorf("nodes with another hash (-want +got):\n%s", diff)
			}
		})
	}
}

var sorted = cmp.Transformer("sorted", func(in []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range in {
		out[s] = true
	}
	return out
})
