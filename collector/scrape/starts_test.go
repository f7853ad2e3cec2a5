package scrape_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// TestStartTimes: both formats can give the start time of a counter, histogram or summary.
func TestStartTimes(t *testing.T) {
	for name, native := range map[string]bool{"OpenMetrics": false, "protobuf": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now().UnixMilli()
				reg := prometheus.NewRegistry()
				shop(reg)
				promauto.With(reg).NewSummary(prometheus.SummaryOpts{Name: "s", Objectives: map[float64]float64{0.5: 0.1}}).Observe(1)
				promauto.With(reg).NewGauge(prometheus.GaugeOpts{Name: "g"}).Set(1)
				time.Sleep(time.Hour)
				cfg := testConfig()
				cfg.NativeHistograms, cfg.StartTimes = native, true
				l := mustNew(t, target(), cfg, instrumented(reg))
				for _, s := range l.once(t, true) {
					want := began
					if isReport(s.Series) || strings.Contains(s.Series, "_created") || strings.Contains(s.Series, `"g"`) {
						want = 0
					}
					if got := l.sink.starts[s.Series]; got != want {
						t.Errorf("%s starts at %d, want %d", s.Series, got, want)
					}
				}
			})
		})
	}
}

func TestCreatedLines(t *testing.T) {
	const openMetrics = "application/openmetrics-text; version=1.0.0"
	const a, b = `{__name__="a_total", i="1", instance="api:3000", job="api"}`, `{__name__="a_total", i="2", instance="api:3000", job="api"}`
	for name, tc := range map[string]struct {
		bodies []string
		off    bool
		want   map[string]int64
	}{
		"after its series":     {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} 5\n"}, false, map[string]int64{a: 5000}},
		"before its series":    {[]string{"# TYPE a counter\na_created{i=\"1\"} 5\na_total{i=\"1\"} 1\n"}, false, map[string]int64{a: 5000}},
		"all at the end":       {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_total{i=\"2\"} 1\na_created{i=\"2\"} 6.5\na_created{i=\"1\"} 5\n"}, false, map[string]int64{a: 5000, b: 6500}},
		"of one of two":        {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_total{i=\"2\"} 1\na_created{i=\"2\"} 6.5\n"}, false, map[string]int64{b: 6500}},
		"it was reset":         {[]string{"# TYPE a counter\na_total{i=\"1\"} 9\na_created{i=\"1\"} 5\n", "# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} 7\n"}, false, map[string]int64{a: 7000}},
		"it comes later":       {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\n", "# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} 7\n"}, false, map[string]int64{a: 7000}},
		"other spaces":         {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} 5\n", "# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\",} 6\n"}, false, map[string]int64{a: 6000}},
		"a quoted name":        {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\n{\"a_created\",i=\"1\"} 5\n"}, false, map[string]int64{a: 5000}},
		"in the future":        {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} 9e9\n"}, false, nil},
		"no time":              {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} NaN\n"}, false, nil},
		"negative":             {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} -5\n"}, false, nil},
		"more than int64":      {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} 1e300\n"}, false, nil},
		"a gauge of that name": {[]string{"# TYPE a gauge\na_total{i=\"1\"} 1\na_created{i=\"1\"} 5\n"}, false, nil},
		"another family":       {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\n# TYPE b counter\nb_created{i=\"1\"} 5\n"}, false, nil},
		"not asked for":        {[]string{"# TYPE a counter\na_total{i=\"1\"} 1\na_created{i=\"1\"} 5\n"}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.StartTimes = !tc.off
				for i := range tc.bodies {
					tc.bodies[i] += "# EOF\n"
				}
				l := mustNew(t, target(), cfg, pages(openMetrics, tc.bodies...))
				stop := l.run(t)
				time.Sleep(5*time.Second + time.Duration(len(tc.bodies)-1)*cfg.Interval)
				stop(nil)
				if st := l.Status(); st.Err != "" {
					t.Fatal(st.Err)
				}
				if diff := cmp.Diff(tc.want, l.sink.starts); diff != "" {
					t.Errorf("start timestamps (-want +got):\n%s", diff)
				}
			})
		})
	}
}
