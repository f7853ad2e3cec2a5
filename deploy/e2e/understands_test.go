package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// mixinQueries contains the queries of Grafana's published Docker dashboard.
const mixinQueries = "../../collector/containers/testdata/docker-mixin-queries.txt"

// A stack trace as Python prints it, and a line with a password in it.
const (
	trace = "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    pay()\n  File \"/app/main.py\", line 7, in pay\n    raise ValueError(\"no\")\nValueError: no"
	dburl = "postgres://app:" + "hunter2secret" + "@db:5432/app"
)

// understands runs an agent with all default processing of lines and containers. It is killed while a flood is
// counted. In the end, the count must be that of the lines, stack traces must be single entries, no password
// may have been sent, and the queries of the published Docker dashboard must have results.
func (l *lab) understands(t *testing.T) {
	ctx := t.Context()
	a := l.agent(t, "understands", agentOptions{include: "und-*", env: []string{
		"LIGHTER_REDACT=on", "LIGHTER_MULTILINE=auto", "LIGHTER_CONTAINER_METRICS=on",
		"LIGHTER_RESOURCE_INTERVAL=1s", "LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_SCRAPE_TIMEOUT=1s",
		"LIGHTER_LOG_METRICS=und_lines_total = count()",
	}})
	says := []string{"out:connecting to " + dburl + "\n"}
	for _, half := range strings.SplitAfter(trace, "in pay\n") { // with a pause in the middle
		says = append(says, "err:"+half, "wait:100ms")
	}
	app := l.generate(t, "und-app", generatorOptions{docker: []string{"--memory", "64m", "--memory-reservation", "32m"}, says: append(says, "err:\n", "stay")})
	flood := l.generate(t, "und-flood", generatorOptions{}, "-rate", "1000", "-size", "180", "-stderr", "5")
	for range 5 {
		a.waitDelivered(t, 2000)
		a.kill(t)
	}
	a.waitDelivered(t, 2000)
	must(t, flood.Stop(ctx))
	lines := float64(len(flood.lines(t)))
	a.promGives(t, fmt.Sprintf(`sum(und_lines_total{environment=%q,container="und-flood"})`, a.environment), &lines)
	a.promGives(t, fmt.Sprintf(`sum(lighter_container_log_lines_total{environment=%q,container="und-flood"})`, a.environment), &lines)
	if got := a.distinctTexts(app, "stderr"); len(got) != 1 || !got[trace] {
		t.Errorf("the stack trace is %d entries: %v", len(got), got)
	}
	if got := a.distinctTexts(app, "stdout"); len(got) != 1 || !got["connecting to "+strings.Replace(dburl, "hunter2secret", "<redacted:url-password>", 1)] {
		t.Errorf("the line with a password is %v", got)
	}
	if got := a.distinctTexts(app, "events"); len(got) != 1 {
		t.Errorf("the events of und-app are %v, want one start", got)
	}

	text, err := os.ReadFile(mixinQueries)
	must(t, err)
	asked := 0
	for query := range strings.Lines(string(text)) {
		if strings.HasPrefix(query, "#") {
			continue
		}
		asked++
		if strings.Contains(query, "container_fs_reads_total") || strings.Contains(query, "container_fs_writes_total") {
			continue // the kernel may not have counted any I/O
		}
		a.promGives(t, strings.NewReplacer("$job", "integrations/docker", "$instance", ".*", "$name", "und-.*", "$__rate_interval", "1m").Replace(strings.TrimSpace(query)), nil)
	}
	if asked != 16 {
		t.Errorf("%s has %d queries, want 16", mixinQueries, asked)
	}
	selector := fmt.Sprintf(`{job!="kubelet", namespace="", container!="", job=~"integrations/docker", instance=~%q, container=~"und-app", environment=%q}`, a.host, a.environment)
	eventually(t, time.Minute, func(ctx context.Context) error {
		streams, err := l.loki.Query(ctx, selector, l.began.Add(-time.Hour))
		if err != nil {
			return err
		}
		var found []string
		for _, s := range streams {
			found = append(found, s.Labels["stream"])
		}
		slices.Sort(found)
		if want := []string{"events", "stderr", "stdout"}; !slices.Equal(found, want) {
			return fmt.Errorf("%s finds the streams %v, want %v; Loki has taken %s", selector, found, want, a.streamsOf(app))
		}
		return nil
	})
}

// streamsOf returns the distinct label sets of a container that Loki has accepted.
func (a *agent) streamsOf(g *generator) string {
	all := map[string]bool{}
	for _, e := range a.pushes.Entries() {
		if labelled(e, "container", g.Name) {
			all[e.Labels] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " ")
}

// distinctTexts returns the distinct texts that were delivered of a stream of a container: after a kill, a
// text may arrive again.
func (a *agent) distinctTexts(g *generator, stream string) map[string]bool {
	all := map[string]bool{}
	for _, text := range a.texts(g, stream) {
		all[text] = true
	}
	return all
}

// promGives waits until a Prometheus query returns the single value that is wanted, or any value.
func (a *agent) promGives(t *testing.T, query string, want *float64) {
	t.Helper()
	err := poll(t.Context(), 2*time.Minute, func(ctx context.Context) error {
		got, err := a.lab.prom.Query(ctx, query)
		switch {
		case err != nil:
			return err
		case len(got) == 0:
			return fmt.Errorf("%s gives nothing", query)
		case want != nil && got[0].Value != *want:
			return fmt.Errorf("%s gives %v, want %v", query, got[0].Value, *want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
