package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/backend"
	"lighter/deploy/e2e/jsonfile"
)

// queries tests the main job: one agent for each environment, three containers for the first one, and the
// queries of a user for logs and metrics.
func (l *lab) queries(t *testing.T) {
	const rate, series, lines = 50, 200, 2500
	scraped := []string{"--label", "lighter.scrape=true", "--label", "lighter.port=3000"}
	api := l.generate(t, "prod-api", generatorOptions{service: "api", docker: scraped},
		"-count", fmt.Sprint(lines), "-rate", fmt.Sprint(rate), "-stderr", "7", "-listen", ":3000", "-series", fmt.Sprint(series), "-linger")
	worker := l.generate(t, "prod-worker", generatorOptions{service: "worker"}, "-count", "500", "-rate", "25", "-format", "plain", "-linger")
	named := l.generate(t, "prod-cron", generatorOptions{service: "compose-says", docker: []string{"--label", "lighter.service=jobs"}},
		"-count", "200", "-rate", "10", "-format", "mix", "-stderr", "2", "-empty", "9", "-linger")
	named.service = "jobs"
	dev := l.generate(t, "dev-api", generatorOptions{service: "api", docker: scraped},
		"-count", "600", "-rate", "25", "-format", "mix", "-stderr", "7", "-listen", ":3000", "-linger")

	quick := []string{"LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_SCRAPE_TIMEOUT=1s"}
	production := l.agent(t, "production", agentOptions{include: "prod-*", env: quick, docker: []string{"--health-interval", "2s"}})
	development := l.agent(t, "dev", agentOptions{include: "dev-*", env: quick})

	// While the lines are being written, the rate must match them.
	eventually(t, time.Minute, func(ctx context.Context) error {
		got, err := l.prom.Query(ctx, `sum(rate(http_requests_total{environment="production"}[15s]))`)
		if err != nil {
			return err
		}
		if len(got) != 1 || math.Abs(got[0].Value-rate) > rate/10 {
			return fmt.Errorf("rate(http_requests_total) is %v, want one of %d a second", got, rate)
		}
		return nil
	})
	l.seriesOf(t, api, "production", series)
	l.seriesOf(t, dev, "dev", 0)
	l.metadata(t, production)
	l.healthy(t, production)
	l.memory(t, production)

	for _, g := range []*generator{api, worker, named, dev} {
		must(t, g.Stop(t.Context()))
	}
	l.stale(t, production)
	production.verify(t, 30*time.Second, api, worker, named)
	development.verify(t, 30*time.Second, dev)

	inProduction, inDev := production.streams(t, []*generator{api}), development.streams(t, []*generator{dev})
	l.finds(t, `{environment="production", service="api"}`, inProduction, func(string) bool { return true })
	l.finds(t, `{environment="dev", service="api"} |= "error"`, inDev, func(line string) bool { return strings.Contains(line, "error") })
	l.finds(t, `{service="api"} | json | level="error"`, append(inProduction, inDev...), func(line string) bool {
		var fields struct{ Level string }
		return json.Unmarshal([]byte(line), &fields) == nil && fields.Level == "error"
	})
	for _, a := range []*agent{production, development} {
		samples, twice := a.writes.Samples()
		t.Logf("%s: %d samples delivered, %d of them twice; responses %v", a.environment, samples, twice, a.writes.Statuses())
		if twice > 0 {
			t.Errorf("%s: %d samples were sent twice", a.environment, twice)
		}
		for _, err := range a.writes.Errors() {
			t.Errorf("%s: %v", a.environment, err)
		}
	}
}

// finds checks that a log query returns exactly the lines that match.
func (l *lab) finds(t *testing.T, query string, written []stream, match func(string) bool) {
	t.Helper()
	n := 0
	var want []stream
	for _, s := range written {
		var lines []jsonfile.Line
		for _, line := range s.lines {
			if match(line.Text) {
				lines = append(lines, line)
			}
		}
		if n += len(lines); len(lines) > 0 {
			want = append(want, stream{labels: s.labels, lines: lines})
		}
	}
	if n == 0 {
		t.Errorf("no line was written for %s", query)
	}
	got, err := l.loki.Query(t.Context(), query, l.began.Add(-time.Hour))
	must(t, err)
	sameStreams(t, want, got)
	t.Logf("%s finds the %d lines written", query, n)
}

// seriesOf checks the generator's final counts, the contract's label sets, and that there are no series
// except those of the page and five of the scrape.
func (l *lab) seriesOf(t *testing.T, g *generator, environment string, series int) {
	t.Helper()
	state, err := g.State(t.Context())
	must(t, err)
	target := map[string]string{"job": g.service, "instance": state.IP + ":3000", "service": g.service, "container": g.Name, "environment": environment}

	var said count
	eventually(t, 2*time.Minute, func(ctx context.Context) error {
		if said, err = g.count(ctx); err != nil {
			return err
		}
		if !said.Done {
			return errStillWriting
		}
		return nil
	})
	want := make(map[string]float64)
	for _, r := range said.Requests {
		ls := maps.Clone(target)
		ls["__name__"], ls["method"], ls["status_code"] = "http_requests_total", r.Method, r.StatusCode
		want[fmt.Sprint(ls)] = float64(r.Count)
	}
	selector := fmt.Sprintf(`{environment=%q,job="api"}`, environment) // only the scraped series: those counted from its log have another job
	l.answers(t, "http_requests_total"+selector, want)

	up := maps.Clone(target)
	up["__name__"] = "up"
	l.answers(t, "up"+selector, map[string]float64{fmt.Sprint(up): 1})
	l.answers(t, "http_request_duration_seconds_count"+selector+" - on() group_left sum(http_requests_total"+selector+")",
		map[string]float64{fmt.Sprint(target): 0})
	if series > 0 {
		l.answers(t, "count("+selector+")", map[string]float64{"map[]": float64(series + 5)})
		for name, value := range map[string]float64{"scrape_samples_scraped": float64(series), "scrape_samples_post_metric_relabeling": float64(series), "scrape_series_added": 0} {
			ls := maps.Clone(target)
			ls["__name__"] = name
			l.answers(t, name+selector, map[string]float64{fmt.Sprint(ls): value})
		}
	}
}

// answers checks that a PromQL query soon returns exactly these series and values.
func (l *lab) answers(t *testing.T, query string, want map[string]float64) {
	t.Helper()
	eventually(t, 20*time.Second, func(ctx context.Context) error {
		samples, err := l.prom.Query(ctx, query)
		if err != nil {
			return err
		}
		if got := bySeries(samples); !maps.Equal(got, want) {
			return fmt.Errorf("%s\nis   %v\nwant %v", query, got, want)
		}
		return nil
	})
}

func bySeries(samples []backend.Sample) map[string]float64 {
	out := make(map[string]float64)
	for _, s := range samples {
		out[fmt.Sprint(s.Labels)] = s.Value
	}
	return out
}

// metadata checks for TYPE and HELP, which Prometheus itself sends every minute.
func (l *lab) metadata(t *testing.T, a *agent) {
	t.Helper()
	eventually(t, 70*time.Second, func(context.Context) error {
		const want = "COUNTER Requests served, one for each line written."
		if got := a.writes.Metadata("http_requests_total"); got != want {
			return fmt.Errorf("metadata of http_requests_total is %q, want %q", got, want)
		}
		return nil
	})
}

// healthy checks that the image's own health check passes.
func (l *lab) healthy(t *testing.T, a *agent) {
	t.Helper()
	eventually(t, 40*time.Second, func(ctx context.Context) error {
		s, err := a.State(ctx)
		if err == nil && s.Health != "healthy" {
			err = fmt.Errorf("Docker reports that %s is %q", a.Name, s.Health)
		}
		return err
	})
}

// memory prints the peaks, and fails if they exceed twice the goal.
func (l *lab) memory(t *testing.T, a *agent) {
	t.Helper()
	m, err := a.Memory(t.Context())
	must(t, err)
	fmt.Printf("e2e: memory of lighter in %s at its peak: container %.1f MiB, process %.1f MiB (goal: below 30)\n",
		a.environment, float64(m.Container)/(1<<20), float64(m.Process)/(1<<20))
	if max(m.Container, m.Process) > 64<<20 {
		t.Errorf("over 64 MiB: %+v", m)
	}
}

// stale checks that the series of a stopped container end at once, not after Prometheus's lookback of five
// minutes.
func (l *lab) stale(t *testing.T, a *agent) {
	t.Helper()
	query := fmt.Sprintf(`http_requests_total{environment=%q}`, a.environment)
	eventually(t, 30*time.Second, func(ctx context.Context) error {
		got, err := l.prom.Query(ctx, query)
		if err == nil && len(got) > 0 {
			err = errors.New(query + " still has a value after the container was stopped")
		}
		return err
	})
}
