package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/cmd/lighter/agent"
	"lighter/cmd/lighter/web"
	"lighter/discovery/dockersim"
	"lighter/exporters/receiver"
)

// The labels that a user sees are those that are sent, or would be: in local mode and with backends, in
// discover and in the status of a running agent.
func TestLabelsAreTheSameEverywhere(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a 1\n") }))
	defer app.Close()
	address := strings.TrimPrefix(app.URL, "http://")
	settings := []string{
		"ENVIRONMENT=production", "LIGHTER_EXTERNAL_LABELS=region=eu,service=ignored", "LIGHTER_HOST=edge",
		"LIGHTER_SCRAPE_TARGETS=" + address, "LIGHTER_SCRAPE_INTERVAL=1s", "LIGHTER_SELF_METRICS=off", "LIGHTER_CONTAINER_METRICS=off",
	}
	stream := map[string]string{"environment": "production", "region": "eu", "host": "edge", "service": "api", "container": "api", "stream": "stdout", "job": "integrations/docker", "instance": "edge"}
	series := map[string]string{"environment": "production", "region": "eu", "service": "ignored", "job": "127.0.0.1", "instance": address}
	withoutStream := maps.Clone(stream)
	delete(withoutStream, "stream")

	for name, backends := range map[string]bool{"local mode": false, "with backends": true} {
		t.Run(name, func(t *testing.T) {
			h := newDockerHost(t)
			h.environ = append(h.environ, settings...)
			if backends {
				h.environ = append(h.environ, "GRAFANA_PROM_URL="+h.backend.URL()+receiver.WritePath)
			} else {
				h.environ = append(h.environ, "GRAFANA_LOKI_URL=")
			}
			h.create(dockersim.Spec{Name: "api"}).Write(dockersim.Stdout, "hello")

			_, stdout, stderr := command(t, h.environ, "discover", "--json")
			var found agent.Preview
			if err := json.Unmarshal([]byte(stdout), &found); err != nil || stderr != "" {
				t.Fatalf("discover: %v, %s", err, stderr)
			}
			diff(t, "a stream in discover", stream, found.Containers[0].Streams[0])
			diff(t, "a target in discover", series, found.Static[0].Labels)
			_, stdout, _ = command(t, h.environ, "discover")
			if n := strings.Count(stdout, `environment="production"`); n != 3 {
				t.Errorf("discover says %d times that the environment is production, want it for two streams and a target:\n%s", n, stdout)
			}

			url, stop := h.start("socket")
			defer stop()
			var st web.Status
			await(t, "a line and a sample are seen", func() bool {
				st = h.status(url)
				st.Targets = slices.DeleteFunc(st.Targets, func(t web.Target) bool { return t.Job == "lighter-logs" })
				st.Samples = slices.DeleteFunc(st.Samples, func(s web.Sample) bool { return strings.Contains(s.Series, `job="lighter-logs"`) })
				seen := len(st.Lines) > 0 && len(st.Samples) > 0
				return len(st.Containers) > 0 && len(st.Targets) > 0 && (backends || seen)
			})
			diff(t, "a container in the status", withoutStream, st.Containers[0].Labels)
			diff(t, "a target in the status", series, st.Targets[0].Labels)
			if backends {
				static := func() []receiver.Series {
					return h.backend.Series(labels.MustNewMatcher(labels.MatchNotEqual, "job", "lighter-logs"))
				}
				await(t, "a line and a sample are delivered", func() bool { return h.backend.PushStats().Lines > 0 && len(static()) > 0 })
				diff(t, "a stream that is sent", stream, h.backend.Streams()[0].Labels.Map())
				sent := static()[0].Labels.Map()
				delete(sent, "__name__")
				diff(t, "a series that is sent", series, sent)
				return
			}
			diff(t, "a line in the status", stream, st.Lines[0].Labels)
			for _, s := range st.Samples {
				for k, v := range series {
					if !strings.Contains(s.Series, k+`="`+v+`"`) {
						t.Errorf("sample of %s has no %s=%q", s.Series, k, v)
					}
				}
			}
		})
	}
}

func diff(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("labels of %s (-want +got):\n%s", what, d)
	}
}
