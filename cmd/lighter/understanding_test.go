package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/discovery/dockersim"
	"lighter/exporters/receiver"
)

// How an agent processes lines by default, and according to its settings and a container's labels.
func TestWhatBecomesOfLines(t *testing.T) {
	h := newDockerHost(t)
	stage := func(environ ...string) *dockersim.Container {
		c := h.create(dockersim.Spec{Name: "api", Labels: map[string]string{"com.docker.compose.project": "shop", "lighter.drop": "^DEBUG ", "lighter.multiline": "[", "lighter.fields": "trace_id"}})
		_, stop := h.start("socket", append(environ, "LIGHTER_DROP=health", "LIGHTER_FIELDS=trace_id, user=ctx.user.id")...)
		t.Cleanup(stop)
		return c
	}
	c := stage()
	for _, line := range []string{
		`{"level":"info","msg":"one","trace_id":"t1","ctx":{"user":{"id":7}}}`,
		`DEBUG nobody wants this`,
		`172.18.0.1 - - [26/Nov/2026:10:00:00 +0000] "GET /health HTTP/1.1" 200 2 "-" "curl/8"`,
		`connecting to postgres://app:` + `hunter2secret@db:5432/app`,
		`Traceback (most recent call last):`,
		`  File "/app/main.py", line 3, in <module>`,
		`    raise ValueError("no")`,
		`ValueError: no`,
		`2026-11-26 10:00:00.000 UTC [7] LOG:  checkpoint starting: error count 0`,
	} {
		c.Write(dockersim.Stdout, line)
	}
	const want = 4
	await(t, "the lines are delivered", func() bool { return len(linesOf(h.backend)) >= want })
	if diff := cmp.Diff([]string{
		`{"level":"info","msg":"one","trace_id":"t1","ctx":{"user":{"id":7}}} user="7", trace_id="t1"`,
		`connecting to postgres://app:<redacted:url-password>@db:5432/app`,
		"Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    raise ValueError(\"no\")\nValueError: no detected_level=\"error\"",
		`2026-11-26 10:00:00.000 UTC [7] LOG:  checkpoint starting: error count 0 detected_level="info"`,
	}, linesOf(h.backend)); diff != "" {
		t.Errorf("lines (-want +have):\n%s", diff)
	}
	for _, s := range h.backend.Streams() {
		if want := labels.FromStrings("container", "api", "environment", "test", "host", "host-1", "instance", "host-1", "job", "integrations/docker",
			"project", "shop", "service", "api", "stream", s.Labels.Get("stream")); !labels.Equal(s.Labels, want) {
			t.Errorf("stream %s, want %s", s.Labels, want)
		}
	}
}

// linesOf returns a backend's lines of containers, followed by their structured metadata.
func linesOf(s *receiver.Server) (all []string) {
	for _, stream := range s.Streams() {
		if stream.Labels.Get("stream") == "events" {
			continue
		}
		for _, e := range stream.Entries {
			all = append(all, strings.TrimSuffix(e.Line+" "+e.Metadata, " "))
		}
	}
	return all
}

// The Engine's events of a container are delivered once, including those from while the agent was down.
func TestEvents(t *testing.T) {
	h := newDockerHost(t)
	events := func() (all []string) {
		for _, stream := range h.backend.Streams() {
			if stream.Labels.Get("stream") == "events" && stream.Labels.Get("container") == "api" {
				for _, e := range stream.Entries {
					all = append(all, e.Line)
				}
			}
		}
		return all
	}
	c := h.create(dockersim.Spec{Name: "api"})
	c.Write(dockersim.Stdout, "one")
	_, stop := h.start("socket")
	await(t, "the agent reads", func() bool { return h.backend.PushStats().Lines > 0 })
	c.SetHealth("unhealthy")
	c.KillOOM() // and it ends
	want := []string{"event=health_status status=unhealthy", "event=oom", "event=die exit_code=137 signal=SIGKILL"}
	await(t, "three events are delivered", func() bool { return len(events()) >= len(want) })
	stop()
	c.Start()
	_, stop = h.start("socket")
	want = append(want, `event=start image="simulated"`)
	await(t, "the event of the time between is delivered", func() bool { return len(events()) >= len(want) })
	c.Stop(0)
	want = append(want, "event=die exit_code=0")
	await(t, "the last event is delivered", func() bool { return len(events()) >= len(want) })
	stop()
	if diff := cmp.Diff(want, events()); diff != "" {
		t.Errorf("events (-want +have):\n%s", diff)
	}
	_, stop = h.start("socket", "LIGHTER_CONTAINER_METRICS=off")
	c.Start()
	c.Write(dockersim.Stdout, "two")
	await(t, "the agent reads on", func() bool { return slices.Contains(linesOf(h.backend), "two") })
	stop()
	if got := len(events()); got != len(want) {
		t.Errorf("%d events are delivered although they are turned off, want %d", got, len(want))
	}
}

// Metrics counted from lines, container metrics and the agent's own series reach the metrics backend.
func TestPages(t *testing.T) {
	h := newDockerHost(t)
	c := h.create(dockersim.Spec{Name: "api", Labels: map[string]string{"com.docker.compose.project": "shop"}})
	url, stop := h.start("socket", "GRAFANA_PROM_URL="+h.backend.URL()+receiver.WritePath, "LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_RESOURCE_INTERVAL=1s",
		`LIGHTER_LOG_METRICS=http_requests_total{path} = count(msg="http_request")`)
	defer stop()
	for i := range 10 {
		c.Write(dockersim.Stdout, fmt.Sprintf(`{"level":"info","msg":"http_request","path":"/v1/%d"}`, i%2))
	}
	last := func(name string, matchers ...*labels.Matcher) (float64, bool) {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, "__name__", name))
		for _, s := range h.backend.Series(matchers...) {
			if n := len(s.Samples); n > 0 {
				return s.Samples[n-1].Value, true
			}
		}
		return 0, false
	}
	equal := func(name, value string) *labels.Matcher { return labels.MustNewMatcher(labels.MatchEqual, name, value) }
	for _, want := range []struct {
		value    float64
		name     string
		matchers []*labels.Matcher
	}{
		{5, "http_requests_total", []*labels.Matcher{equal("path", "/v1/1"), equal("service", "api"), equal("container", "api"), equal("job", "lighter-logs"), equal("instance", "host-1")}},
		{10, "lighter_container_log_lines_total", []*labels.Matcher{equal("level", "info"), equal("service", "api")}},
		{1, "lighter_container_state", []*labels.Matcher{equal("name", "api"), equal("job", "integrations/docker"), equal("instance", "host-1"), equal("project", "shop"), equal("environment", "test")}},
	} {
		await(t, want.name, func() bool { got, _ := last(want.name, want.matchers...); return got == want.value })
	}
	await(t, "the agent's own series", func() bool {
		n := 0
		for _, s := range h.backend.Series(equal("job", "lighter")) {
			if len(s.Samples) > 0 {
				n++
			}
		}
		return n > 20 && n <= 60
	})
	response, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`http_requests_total{container="api",path="/v1/0",service="api"} 5`, "lighter_build_info{", `lighter_budget_logs_bytes{kind="used"}`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

// A counter from log lines continues across a clean stop, and counts each line once.
func TestLogMetricsOverARestart(t *testing.T) {
	h := newDockerHost(t)
	c := h.create(dockersim.Spec{Name: "api"})
	counted := regexp.MustCompile(`(?m)^errors_total\{.*\} (\d+)$`)
	for round := 1; round <= 3; round++ {
		for i := range 100 {
			c.Write(dockersim.Stdout, fmt.Sprintf("level=error n=%d", i))
		}
		url, stop := h.start("socket", `LIGHTER_LOG_METRICS=errors_total = count(level="error")`)
		await(t, fmt.Sprintf("round %d is counted", round), func() bool {
			response, err := http.Get(url + "/metrics")
			if err != nil {
				return false
			}
			defer func() { _ = response.Body.Close() }()
			page, _ := io.ReadAll(response.Body)
			m := counted.FindSubmatch(page)
			return m != nil && string(m[1]) == fmt.Sprint(100*round)
		})
		stop()
	}
}

// Counts by service are deleted with the last container of the service, so that containers with names of
// their own, which come and go, do not fill the memory.
func TestServicesThatAreGoneAreForgotten(t *testing.T) {
	h := newDockerHost(t)
	c := h.create(dockersim.Spec{Name: "job-1"})
	h.create(dockersim.Spec{Name: "api"})
	url, stop := h.start("socket", "LIGHTER_DROP=noise")
	defer stop()
	c.Write(dockersim.Stdout, "noise")
	c.Write(dockersim.Stdout, "Authorization: Bearer "+strings.Repeat("a1B2", 8))
	shown := func() string {
		response, err := http.Get(url + "/metrics")
		if err != nil {
			return err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		page, _ := io.ReadAll(response.Body)
		return string(page)
	}
	const filtered = `lighter_log_lines_filtered_total{rule="noise",service="job-1"} 1`
	await(t, "a line is left out, and one is redacted", func() bool {
		page := shown()
		return strings.Contains(page, filtered) && strings.Contains(page, `lighter_log_redactions_total{`)
	})
	c.Remove()
	await(t, "the service is forgotten", func() bool {
		page := shown()
		return !strings.Contains(page, `service="job-1"`) && strings.Contains(page, `rule="noise",service="api"`)
	})
}
