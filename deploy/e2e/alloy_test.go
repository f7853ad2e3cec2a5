package e2e

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter/deploy/e2e/gate"
)

// planFile is the Alloy file of a small team's plan, unchanged.
const planFile = "testdata/plan.alloy"

// alloyFile runs the image with an Alloy file as a compose file runs Alloy: with only the file and its
// variables. The data in Loki and Prometheus has exactly the labels that Alloy gives it.
func (l *lab) alloyFile(t *testing.T) {
	ctx := t.Context()
	app := l.generate(t, "alloy-app", generatorOptions{service: "alloy-service", docker: []string{"--network-alias", "api"}}, "-rate", "200", "-size", "120", "-stderr", "5", "-listen", ":3000")
	loki, prom := l.backends(t)
	pushes, writes := new(gate.Pushes), new(gate.Writes)
	logs, err := gate.New(loki, pushes, l.gateway)
	must(t, err)
	defer func() { _ = logs.Shut(context.Background()) }()
	metrics, err := gate.New(prom, writes, l.gateway)
	must(t, err)
	defer func() { _ = metrics.Shut(context.Background()) }()

	file, err := filepath.Abs(planFile)
	must(t, err)
	environment := l.environmentOf("alloy")
	agent, err := l.home.Run(ctx, "lighter-"+environment,
		"--network", l.network, "--memory", "128m",
		"--volume", file+":/etc/alloy/config.alloy:ro",
		"--volume", "/var/run/docker.sock:/var/run/docker.sock:ro",
		"--hostname", "alloy-host",
		"--env", "HOSTNAME=alloy-host",
		"--env", "SV0_ENVIRONMENT="+environment,
		"--env", "GRAFANA_LOKI_URL="+logs.URL()+"/loki/api/v1/push",
		"--env", "GRAFANA_LOKI_USER=1", "--env", "GRAFANA_LOKI_TOKEN=token",
		"--env", "GRAFANA_PROM_URL="+metrics.URL()+"/api/v1/write",
		"--env", "GRAFANA_PROM_USER=2", "--env", "GRAFANA_PROM_TOKEN=token",
		agentImage, "run", "/etc/alloy/config.alloy", "--storage.path=/var/lib/alloy/data")
	must(t, err)
	defer func() {
		if t.Failed() {
			t.Logf("lighter's log:\n%s", agent.Output(context.Background(), 40))
		}
		_ = agent.Remove(context.Background())
	}()

	want := map[string]string{"container": "/alloy-app", "service": "alloy-service", "environment": environment, "host": "alloy-host"}
	eventually(t, time.Minute, func(ctx context.Context) error {
		streams, err := l.loki.Query(ctx, fmt.Sprintf(`{environment=%q, container="/alloy-app"}`, environment), l.began.Add(-time.Hour))
		if err != nil {
			return err
		}
		lines := 0
		for _, s := range streams {
			got := maps.Clone(s.Labels)
			delete(got, "service_name") // Loki adds these two itself
			delete(got, "detected_level")
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("labels of the stream (-want +got):\n%s", diff)
			}
			lines += len(s.Entries)
		}
		if lines < 2000 {
			return fmt.Errorf("%d lines", lines)
		}
		return nil
	})
	must(t, app.Stop(ctx))
	written := app.lines(t)
	eventually(t, time.Minute, func(context.Context) error {
		seen := map[string]int{}
		for _, e := range pushes.Entries() {
			if strings.Contains(e.Labels, `container="/alloy-app"`) {
				seen[e.Text]++
			}
		}
		for _, line := range written {
			text := strings.TrimSuffix(line.Text, "\n")
			if text == "" {
				continue // Alloy sends no empty lines
			}
			if seen[text] != 1 {
				return fmt.Errorf("%q arrived %d times", text, seen[text])
			}
		}
		return nil
	})
	eventually(t, 2*time.Minute, func(ctx context.Context) error {
		got, err := l.prom.Query(ctx, fmt.Sprintf(`last_over_time(generator_last_line{environment=%q}[10m])`, environment))
		if err != nil || len(got) == 0 {
			return fmt.Errorf("generator_last_line: %v, %w", got, err)
		}
		labels := got[0].Labels
		delete(labels, "__name__")
		if diff := cmp.Diff(map[string]string{"job": "prometheus.scrape.api", "instance": "api:3000", "environment": environment}, labels); diff != "" {
			return fmt.Errorf("labels of the series (-want +got):\n%s", diff)
		}
		return nil
	})
}

// printedConfig runs the Alloy file that lighter config prints for an environment, and checks that the same
// data arrives as with the environment itself.
func (l *lab) printedConfig(t *testing.T) {
	ctx := t.Context()
	environ := []string{
		"--env", "GRAFANA_LOKI_URL=http://loki.invalid:3100", "--env", "GRAFANA_PROM_URL=http://prometheus.invalid:9090/api/v1/write",
		"--env", "ENVIRONMENT=" + l.environmentOf("printed"), "--env", "LIGHTER_INCLUDE=printed-*", "--env", "LIGHTER_SCRAPE_INTERVAL=1s", "--env", "LIGHTER_SCRAPE_TIMEOUT=1s",
		"--env", "LIGHTER_REDACT=off", "--env", "LIGHTER_MULTILINE=off", "--env", "LIGHTER_CONTAINER_METRICS=off",
	}
	printer, err := l.home.Run(ctx, "lighter-printer", append(environ, agentImage, "config")...)
	must(t, err)
	defer func() { _ = printer.Remove(context.Background()) }()
	eventually(t, time.Minute, func(ctx context.Context) error {
		s, err := printer.State(ctx)
		if err == nil && s.Running {
			err = fmt.Errorf("lighter config still runs")
		}
		return err
	})
	text := printer.Output(ctx, 1000)
	if !strings.Contains(text, "lighter.container_logs") {
		t.Fatalf("lighter config printed:\n%s", text)
	}
	a := l.agent(t, "printed", agentOptions{include: "printed-*", file: func(loki, prom string) string {
		return strings.NewReplacer("http://loki.invalid:3100", loki, "http://prometheus.invalid:9090", prom).Replace(text)
	}})
	g := l.generate(t, "printed-app", generatorOptions{}, "-rate", "500", "-size", "150", "-stderr", "7")
	a.waitDelivered(t, 3000)
	must(t, g.Stop(ctx))
	a.verify(t, time.Minute, g)
}
