package pages_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	dto "github.com/prometheus/client_model/go"

	"lighter/collector/pages"
)

// busy is the registry of an agent with the given numbers of endpoints, services and rules.
func busy(endpoints, services, rules int) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f := promauto.With(r)
	counter := func(name string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: "Counted."}, labels)
	}
	for _, name := range strings.Fields(`lighter_log_lines_read_total lighter_log_lines_delivered_total lighter_log_bytes_read_total
		lighter_samples_scraped_total lighter_samples_delivered_total lighter_log_gaps_total lighter_log_lines_truncated_total
		lighter_log_lines_broken_total lighter_log_lines_repeated_total lighter_scrape_duration_seconds_total`) {
		counter(name).WithLabelValues().Add(2)
	}
	f.NewGauge(prometheus.GaugeOpts{Name: "lighter_log_lag_seconds", Help: "Lag."}).Set(3)
	f.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_build_info", Help: "Build."}, []string{"version", "commit"}).WithLabelValues("v1", "abc").Set(1)
	f.NewHistogram(prometheus.HistogramOpts{Name: "lighter_samples_rejected_total", Help: "No number."}).Observe(1)
	budget := f.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_budget_series", Help: "Budget."}, []string{"kind"})
	for _, kind := range []string{"active", "data_points", "used", "limit"} {
		budget.WithLabelValues(kind).Set(7)
	}
	scrapes := counter("lighter_scrapes_total", "result")
	for _, result := range strings.Fields("ok unreachable timeout status too_large no_room sample_limit bad_content") {
		scrapes.WithLabelValues(result).Add(1)
	}
	up := f.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_endpoint_up", Help: "Up."}, []string{"endpoint"})
	queue := f.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes", Help: "Queue."}, []string{"endpoint", "in"})
	lost := counter("lighter_log_lines_dropped_total", "endpoint", "reason")
	requests := counter("lighter_endpoint_requests_total", "endpoint", "code")
	for i := range endpoints {
		endpoint := fmt.Sprintf("loki-%d", i)
		up.WithLabelValues(endpoint).Set(float64(min(i, 1))) // the first endpoint is down
		queue.WithLabelValues(endpoint, "memory").Set(1)
		queue.WithLabelValues(endpoint, "disk").Set(10)
		for _, reason := range []string{"too_old", "line_too_long", "buffer_damaged"} {
			lost.WithLabelValues(endpoint, reason).Add(5)
		}
		for _, code := range []string{"204", "400", "429", "500", "error"} {
			requests.WithLabelValues(endpoint, code).Add(1)
		}
	}
	lines, bytes := counter("lighter_log_lines_filtered_total", "service", "rule"), counter("lighter_log_bytes_filtered_total", "service", "rule")
	redactions := counter("lighter_log_redactions_total", "service", "rule")
	for s := range services {
		for rule := range rules {
			for _, c := range []*prometheus.CounterVec{lines, bytes, redactions} {
				c.WithLabelValues(fmt.Sprint("service-", s), fmt.Sprint("rule-", rule)).Add(2)
			}
		}
	}
	return r
}

// TestOwn: an agent with many metrics writes a limited number of series, the most important first, and sums
// up those of services and rules.
func TestOwn(t *testing.T) {
	for _, endpoints := range []int{1, 3, 30} {
		t.Run(fmt.Sprint(endpoints), func(t *testing.T) {
			registry := busy(endpoints, 50, 20)
			families, err := pages.Own(registry).Gather()
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			series := map[string]int{}
			for _, f := range families {
				n += len(f.Metric)
				series[f.GetName()] = len(f.Metric)
				for _, m := range f.Metric {
					for _, l := range m.Label {
						if l.GetName() == "service" || l.GetName() == "rule" {
							t.Errorf("%s has label %s", f.GetName(), l)
						}
					}
				}
			}
			if n > pages.OwnSeries {
				t.Errorf("%d series, want at most %d", n, pages.OwnSeries)
			}
			if first := families[0].GetName(); first != "lighter_endpoint_up" {
				t.Errorf("%s comes first", first)
			}
			for _, name := range []string{"process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds", "go_goroutines", "lighter_build_info"} {
				if series[name] != 1 {
					t.Errorf("%d series of %s", series[name], name)
				}
			}
			if _, ok := series["lighter_samples_rejected_total"]; ok {
				t.Error("there is a histogram")
			}
			t.Logf("%d series", n)
		})
	}
}

// TestOwnValues: series keep as many labels as fit, and add up to the values of the registry.
func TestOwnValues(t *testing.T) {
	for name, tc := range map[string]struct {
		endpoints int
		want      map[string]float64
	}{
		"few endpoints": {2, map[string]float64{
			`{__name__="lighter_endpoint_up", endpoint="loki-0"}`:              0,
			`{__name__="lighter_endpoint_up", endpoint="loki-1"}`:              1,
			`{__name__="lighter_queue_bytes", endpoint="loki-0", in="disk"}`:   10,
			`{__name__="lighter_queue_bytes", endpoint="loki-0", in="memory"}`: 1,
			`{__name__="lighter_queue_bytes", endpoint="loki-1", in="disk"}`:   10,
			`{__name__="lighter_queue_bytes", endpoint="loki-1", in="memory"}`: 1,
			`{__name__="lighter_endpoint_requests_total", endpoint="loki-0"}`:  5,
			`{__name__="lighter_endpoint_requests_total", endpoint="loki-1"}`:  5,

			`{__name__="lighter_log_lines_dropped_total", endpoint="loki-0", reason="buffer_damaged"}`: 5,
			`{__name__="lighter_log_lines_dropped_total", endpoint="loki-0", reason="line_too_long"}`:  5,
			`{__name__="lighter_log_lines_dropped_total", endpoint="loki-0", reason="too_old"}`:        5,
			`{__name__="lighter_log_lines_dropped_total", endpoint="loki-1", reason="buffer_damaged"}`: 5,
			`{__name__="lighter_log_lines_dropped_total", endpoint="loki-1", reason="line_too_long"}`:  5,
			`{__name__="lighter_log_lines_dropped_total", endpoint="loki-1", reason="too_old"}`:        5,
		}},
		"many endpoints": {20, map[string]float64{
			`{__name__="lighter_endpoint_up"}`:                                      0,
			`{__name__="lighter_queue_bytes", in="disk"}`:                           200,
			`{__name__="lighter_queue_bytes", in="memory"}`:                         20,
			`{__name__="lighter_endpoint_requests_total", code="204"}`:              20,
			`{__name__="lighter_endpoint_requests_total", code="400"}`:              20,
			`{__name__="lighter_endpoint_requests_total", code="429"}`:              20,
			`{__name__="lighter_endpoint_requests_total", code="500"}`:              20,
			`{__name__="lighter_endpoint_requests_total", code="error"}`:            20,
			`{__name__="lighter_log_lines_dropped_total", reason="buffer_damaged"}`: 100,
			`{__name__="lighter_log_lines_dropped_total", reason="line_too_long"}`:  100,
			`{__name__="lighter_log_lines_dropped_total", reason="too_old"}`:        100,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pages.New()
			p.Add("own", pages.Own(busy(tc.endpoints, 2, 3)))
			got := map[string]float64{}
			for series, value := range first(t, p, "own") {
				series = strings.Replace(strings.Replace(series, `, instance="here"`, "", 1), `, job="self"`, "", 1)
				for _, family := range []string{"endpoint_up", "queue_bytes", "endpoint_requests_total", "log_lines_dropped_total"} {
					if strings.Contains(series, `"lighter_`+family) {
						got[series] = value
					}
				}
				if strings.Contains(series, "filtered") || strings.Contains(series, "redactions") {
					if value != 2*2*3 || strings.Contains(series, ",") {
						t.Errorf("%s is %v", series, value)
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("series (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOwnLeavesTheRegistry: the gatherer's metrics are not changed.
func TestOwnLeavesTheRegistry(t *testing.T) {
	families, err := busy(3, 2, 2).Gather()
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(families)
	if _, err := pages.Own(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })).Gather(); err != nil {
		t.Fatal(err)
	}
	if after := fmt.Sprint(families); after != before {
		t.Error("the families have changed")
	}
}

func BenchmarkOwn(b *testing.B) {
	g := pages.Own(busy(3, 50, 20))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
