package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"lighter/deploy/e2e/backend"
)

// TestDashboards sends every query of every dashboard to a real Prometheus and a real Loki, with all values
// of the variables and with one of each. With the data of a fleet, each query must have a result, and each
// variable must have values.
func TestDashboards(t *testing.T) {
	prom, err := backend.StartPrometheus(t.Context(), t.TempDir())
	must(t, err)
	t.Cleanup(func() { prom.Close() })
	loki, err := backend.StartLoki(t.Context(), t.TempDir(), backend.WithoutShards)
	must(t, err)
	t.Cleanup(func() { loki.Close() })
	must(t, prom.Ready(t.Context()))
	must(t, loki.Ready(t.Context()))
	now := time.Now()
	must(t, prom.Write(t.Context(), fleetSeries(now)))
	for _, service := range []string{"api", "worker"} {
		for i := range 10 {
			for _, level := range []string{"info", "error"} {
				line := fmt.Sprintf(`{"level":%q,"msg":"line %d of %s"}`, level, i, service)
				must(t, loki.Push(t.Context(), streamOf(service), now.Add(time.Duration(i-10)*30*time.Second), line))
			}
		}
		events := streamOf(service)
		events["stream"] = "events"
		must(t, loki.Push(t.Context(), events, now.Add(-time.Minute), "start"))
	}
	ask := asker{t: t, prom: prom, loki: loki, now: now}

	paths, err := filepath.Glob("../dashboards/*.json")
	must(t, err)
	if len(paths) != 4 {
		t.Errorf("dashboards are %v, want 4", paths)
	}
	queries := 0
	for _, path := range paths {
		content, err := os.ReadFile(path)
		must(t, err)
		var d dashboardFile
		must(t, json.Unmarshal(content, &d))
		name := filepath.Base(path)
		for _, v := range d.Templating.List {
			if v.Definition != "" {
				ask.choice(name, v.Name, v.Datasource.Type, allValues.Replace(v.Definition))
			}
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				queries++
				ask.panel(name+": "+p.Title, q.Datasource.Type, allValues.Replace(q.Expr))
				ask.panel(name+": "+p.Title, q.Datasource.Type, oneValue.Replace(q.Expr))
			}
		}
		for _, a := range d.Annotations.List {
			if a.Expr != "" {
				ask.panel(name+": "+a.Name, a.Datasource.Type, oneValue.Replace(a.Expr))
			}
		}
	}
	t.Logf("%d queries of %d dashboards", queries, len(paths))
}

// dashboardFile is the part of a dashboard's JSON that matters here.
type dashboardFile struct {
	Panels []struct {
		Title   string
		Targets []struct {
			Expr       string
			Datasource struct{ Type string }
		}
	}
	Templating struct {
		List []struct {
			Name, Definition string
			Datasource       struct{ Type string }
		}
	}
	Annotations struct {
		List []struct {
			Name, Expr string
			Datasource struct{ Type string }
		}
	}
}

// These replace the variables that Grafana replaces.
var (
	allValues = strings.NewReplacer("$environment", ".*", "$host", ".*", "$service", ".*", "$container", ".*",
		"$level", ".*", "$search", "", "$__rate_interval", "5m", "$__auto", "5m")
	oneValue = strings.NewReplacer("$environment", "production", "$host", "web-1", "$service", "api", "$container", "api-1",
		"$level", "error", "$search", "LINE", "$__rate_interval", "5m", "$__auto", "5m")
)

// asker sends the queries that Grafana would send.
type asker struct {
	t    *testing.T
	prom *backend.Prometheus
	loki *backend.Loki
	now  time.Time
}

// panel checks that a query has a result.
func (a asker) panel(where, source, query string) {
	a.t.Helper()
	if strings.Contains(query, "$") {
		a.t.Errorf("%s: a variable is left in %s", where, query)
		return
	}
	var n int
	switch source {
	case "prometheus":
		eventually(a.t, 10*time.Second, func(ctx context.Context) error {
			got, err := a.prom.Query(ctx, query)
			n = len(got)
			return err
		})
	case "loki":
		v := url.Values{
			"query": {query}, "limit": {"10"}, "step": {"60"},
			"start": {strconv.FormatInt(a.now.Add(-time.Hour).UnixNano(), 10)}, "end": {strconv.FormatInt(a.now.Add(time.Second).UnixNano(), 10)},
		}
		body, err := a.loki.Get(a.t.Context(), "/loki/api/v1/query_range?"+v.Encode())
		must(a.t, err)
		var answer struct {
			Data struct{ Result []json.RawMessage }
		}
		must(a.t, json.Unmarshal(body, &answer))
		n = len(answer.Data.Result)
	default:
		a.t.Errorf("%s: no data source %q", where, source)
	}
	if n == 0 {
		a.t.Errorf("%s is empty: %s", where, query)
	}
}

// choice checks that a variable label_values(selector, label) has values.
func (a asker) choice(dashboard, name, source, definition string) {
	a.t.Helper()
	selector, label, ok := cutLast(strings.TrimSuffix(strings.TrimPrefix(definition, "label_values("), ")"), ", ")
	if !ok {
		a.t.Errorf("%s: variable %s is %s", dashboard, name, definition)
		return
	}
	path, parameter, get := "/api/v1/label/", "match[]", a.prom.Get
	if source == "loki" {
		path, parameter, get = "/loki/api/v1/label/", "query", a.loki.Get
	}
	body, err := get(a.t.Context(), path+label+"/values?"+url.Values{parameter: {selector}}.Encode())
	must(a.t, err)
	var answer struct{ Data []string }
	must(a.t, json.Unmarshal(body, &answer))
	if len(answer.Data) == 0 {
		a.t.Errorf("%s: variable %s has no values: %s", dashboard, name, definition)
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// fleetSeries returns an hour of the metrics in the dashboards, for two environments with one host each.
func fleetSeries(now time.Time) []prompb.TimeSeries {
	var all []prompb.TimeSeries
	// Each name is a series; one that ends in _total or _count grows by ten a minute.
	add := func(names string, value float64, pairs ...string) {
		for _, name := range strings.Fields(names) {
			b := labels.NewBuilder(labels.FromStrings(pairs...)).Set(labels.MetricName, name)
			s := prompb.TimeSeries{Labels: prompb.FromLabels(b.Labels(), nil)}
			v := value
			for at := now.Add(-time.Hour); !at.After(now); at = at.Add(time.Minute) {
				if strings.HasSuffix(name, "_total") {
					v += 10
				}
				s.Samples = append(s.Samples, prompb.Sample{Timestamp: at.UnixMilli(), Value: v})
			}
			all = append(all, s)
		}
	}
	for environment, host := range map[string]string{"production": "web-1", "dev": "dev-1"} {
		own := []string{"environment", environment, "job", "lighter", "instance", host + ":12345"}
		add("up process_cpu_seconds_total process_resident_memory_bytes go_goroutines", 1, own...)
		add("lighter_log_lag_seconds lighter_log_gaps_total lighter_log_lines_read_total lighter_log_lines_delivered_total lighter_samples_scraped_total lighter_samples_delivered_total", 1, own...)
		add("lighter_endpoint_up", 1, append(slices.Clone(own), "endpoint", "loki")...)
		add("lighter_endpoint_up", 0, append(slices.Clone(own), "endpoint", "prometheus")...)
		to := append(slices.Clone(own), "endpoint", "loki")
		add("lighter_endpoint_sent_bytes_total lighter_endpoint_request_duration_seconds_total", 0, to...)
		add("lighter_endpoint_requests_total", 0, append(slices.Clone(to), "code", "204")...)
		add("lighter_log_lines_dropped_total lighter_samples_dropped_total", 0, append(slices.Clone(to), "reason", "too_old")...)
		add("lighter_queue_bytes", 1, append(slices.Clone(to), "in", "disk")...)
		add("lighter_log_bytes_filtered_total lighter_log_redactions_total", 0, append(slices.Clone(own), "service", "api", "rule", "health")...)
		for _, kind := range []string{"used", "projected", "limit"} {
			add("lighter_budget_logs_bytes lighter_budget_series", 1, append(slices.Clone(own), "kind", kind)...)
		}

		engine := []string{"environment", environment, "job", "integrations/docker", "instance", host}
		add("machine_cpu_cores", 4, engine...)
		for _, service := range []string{"api", "worker"} {
			c := append(slices.Clone(engine), "service", service, "name", service+"-1", "image", service+":1", "project", "shop")
			add(`container_last_seen container_start_time_seconds container_memory_working_set_bytes container_spec_memory_limit_bytes
				container_oom_events_total container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total
				lighter_container_restarts_total lighter_container_log_disk_bytes`, 1, c...)
			add("lighter_container_health", 0, c...)
			add("lighter_container_state", 1, append(slices.Clone(c), "state", "running")...)
			add("container_cpu_usage_seconds_total", 0, append(slices.Clone(c), "cpu", "total")...)
			add("container_network_receive_bytes_total container_network_transmit_bytes_total", 0, append(slices.Clone(c), "interface", "eth0")...)
			add("container_fs_reads_bytes_total container_fs_writes_bytes_total", 0, append(slices.Clone(c), "device", "/dev/sda")...)
			for _, level := range []string{"info", "error"} {
				add("lighter_container_log_lines_total", 0, append(slices.Clone(own), "service", service, "container", service+"-1", "level", level)...)
			}
			add("up", 1, "environment", environment, "job", service, "instance", "10.0.0.2:3000", "service", service, "container", service+"-1")
		}
		ended := append(slices.Clone(engine), "service", "api", "name", "api-1")
		add("lighter_container_state", 1, append(slices.Clone(ended), "state", "exited")...)
		add("lighter_container_exit_code", 1, ended...)
		disk := []string{"environment", environment, "job", "integrations/node_exporter", "instance", host, "device", "/dev/sda1", "mountpoint", "/", "fstype", "ext4"}
		add("node_filesystem_avail_bytes node_filesystem_size_bytes", 1, disk...)
	}
	return all
}
