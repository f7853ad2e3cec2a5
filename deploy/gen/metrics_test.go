package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// known are the metrics that rules and dashboards may use in addition to those in the code. The comment of
// each list names their origin.
var known = map[string]string{
	"of an application, in application.rules.yml": `sv0_http_requests_total sv0_queue_depth sv0_sync_age_minutes`,
	"of every scrape":          `up scrape_duration_seconds scrape_samples_scraped scrape_samples_post_metric_relabeling scrape_series_added`,
	"of every Go program":      `go_goroutines process_cpu_seconds_total process_resident_memory_bytes`,
	"of hosts (node_exporter)": `node_filesystem_avail_bytes node_filesystem_size_bytes node_filesystem_readonly`,
	"of containers (cAdvisor)": `container_last_seen container_start_time_seconds container_cpu_usage_seconds_total
		container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total container_cpu_cfs_throttled_seconds_total
		container_memory_usage_bytes container_memory_working_set_bytes container_memory_rss container_memory_cache
		container_memory_failcnt container_oom_events_total
		container_spec_memory_limit_bytes container_spec_memory_reservation_limit_bytes container_spec_cpu_quota container_spec_cpu_period
		container_network_receive_bytes_total container_network_transmit_bytes_total
		container_network_receive_packets_total container_network_transmit_packets_total
		container_network_receive_errors_total container_network_transmit_errors_total
		container_network_receive_packets_dropped_total container_network_transmit_packets_dropped_total
		container_fs_reads_total container_fs_writes_total container_fs_reads_bytes_total container_fs_writes_bytes_total
		container_fs_usage_bytes container_processes machine_memory_bytes machine_cpu_cores`,
	"of containers (our own), of stages and budgets": `lighter_container_state lighter_container_health
		lighter_container_restarts_total lighter_container_exit_code lighter_container_log_disk_bytes
		lighter_container_log_lines_total lighter_container_log_bytes_total
		lighter_log_lines_filtered_total lighter_log_bytes_filtered_total lighter_log_redactions_total
		lighter_budget_logs_bytes lighter_budget_series`,
}

// TestMetricsExist checks that all metrics in PromQL expressions exist. deploy/e2e tests with a real
// Prometheus that the expressions parse.
func TestMetricsExist(t *testing.T) {
	exist := ownMetrics(t)
	for _, names := range known {
		for _, name := range strings.Fields(names) {
			exist[name] = true
		}
	}
	exprs := make(map[string]string) // by their location
	files, err := readRules(filepath.Join(deployDir, "alerts"))
	if err != nil {
		t.Fatal(err)
	}
	for file, f := range files {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if file != lokiRules {
					exprs[file+": "+r.Alert] = r.Expr
				}
			}
		}
	}
	for _, d := range dashboards() {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Datasource == onPrometheus {
					exprs[d.UID+": "+p.Title+" "+q.RefID] = q.Expr
				}
			}
		}
	}
	for where, text := range exprs {
		names := metricsOf(text)
		if len(names) == 0 {
			t.Errorf("%s names no metric: %s", where, text)
		}
		for _, name := range names {
			if !exist[name] {
				t.Errorf("%s: nothing makes a metric %q", where, name)
			}
		}
	}
}

var (
	notMetrics = regexp.MustCompile("`[^`]*`" + `|"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)|[a-z_]+ *\(`)
	metricName = regexp.MustCompile(`\b[a-z0-9]+_[a-z0-9_]+\b|\bup\b`)
)

// metricsOf returns the names of metrics in a PromQL expression. All metrics that are used here, except up,
// have an underscore in their names.
func metricsOf(expr string) []string {
	return metricName.FindAllString(notMetrics.ReplaceAllString(expr, " "), -1)
}

func TestMetricsOf(t *testing.T) {
	for expr, want := range map[string]string{
		`sum by (service_name) (rate(a_b{x="c_d"}[$__rate_interval])) / on (e_f) g_h > 0.05`:  "a_b g_h",
		`absent(up{job="x"}) unless last_over_time(i_j[1h]) or predict_linear(k_l[6h], 3600)`: "up i_j k_l",
	} {
		if got := strings.Join(metricsOf(expr), " "); got != want {
			t.Errorf("metrics of %s are %q, want %q", expr, got, want)
		}
	}
}

// ownMetrics returns the names of the agent's metrics in the code.
func ownMetrics(t *testing.T) map[string]bool {
	t.Helper()
	name := regexp.MustCompile(`"(lighter_[a-z_]+)"`)
	found := make(map[string]bool)
	for _, dir := range []string{"cmd", "collector", "discovery", "exporters"} {
		err := filepath.WalkDir(filepath.Join(deployDir, "..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			for _, match := range name.FindAllSubmatch(content, -1) {
				found[string(match[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
