package pages

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// OwnSeries is the maximum number of series that Own passes on. A scrape loop adds five of its own, up
// among them, so that 60 are written for the agent.
const OwnSeries = 55

// share is the part of OwnSeries that one family may use.
type share struct {
	family string
	series int // maximum number; 1 means the sum of all
	// labels are lists of labels that distinguish series. The first list that yields no more series than
	// allowed is used. Series that differ in other labels only are added up.
	labels [][]string
	least  bool // use the least of the values instead of their sum
}

var (
	byEndpoint = [][]string{{"endpoint"}}
	byKind     = [][]string{{"kind"}}
	byReason   = [][]string{{"endpoint", "reason"}, {"reason"}, {"endpoint"}}
)

// own lists what alerts and the agent's dashboard use. Each family has a fixed share, so that the number of
// series is bounded, and a change in one family affects no other. A label whose values the user chooses, a
// service or a rule, is never among the labels.
var own = []share{
	// Whether lines and samples arrive.
	{family: "lighter_endpoint_up", series: 4, labels: byEndpoint, least: true},
	{family: "lighter_log_lines_read_total", series: 1},
	{family: "lighter_log_lines_delivered_total", series: 1},
	{family: "lighter_log_lines_dropped_total", series: 6, labels: byReason},
	{family: "lighter_log_lag_seconds", series: 1},
	{family: "lighter_log_gaps_total", series: 1},
	{family: "lighter_samples_scraped_total", series: 1},
	{family: "lighter_samples_delivered_total", series: 1},
	{family: "lighter_samples_dropped_total", series: 6, labels: byReason},
	{family: "lighter_queue_bytes", series: 6, labels: [][]string{{"endpoint", "in"}, {"endpoint"}, {"in"}}},

	// What the agent costs.
	{family: "lighter_budget_logs_bytes", series: 3, labels: byKind},
	{family: "lighter_budget_series", series: 4, labels: byKind},
	{family: "process_start_time_seconds", series: 1},
	{family: "process_resident_memory_bytes", series: 1},
	{family: "process_cpu_seconds_total", series: 1},
	{family: "go_goroutines", series: 1},
	{family: "lighter_build_info", series: 1, labels: [][]string{{"version", "commit", "goversion"}}},

	// What it does with lines.
	{family: "lighter_log_bytes_read_total", series: 1},
	{family: "lighter_log_lines_filtered_total", series: 1},
	{family: "lighter_log_bytes_filtered_total", series: 1},
	{family: "lighter_log_redactions_total", series: 1},
	{family: "lighter_log_lines_truncated_total", series: 1},

	// What else helps when something is wrong; failed scrapes are in up.
	{family: "lighter_endpoint_requests_total", series: 6, labels: [][]string{{"endpoint", "code"}, {"endpoint"}, {"code"}}},
	{family: "lighter_endpoint_request_duration_seconds_total", series: 3, labels: byEndpoint},
	{family: "lighter_samples_rejected_total", series: 1},
}

// Own returns a gatherer of those series of g that are worth sending to a backend: at most OwnSeries,
// however many endpoints, services and rules there are. It is safe for concurrent use if g is.
func Own(g prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := g.Gather()
		byName := make(map[string]*dto.MetricFamily, len(families))
		for _, f := range families {
			byName[f.GetName()] = f
		}
		var chosen []*dto.MetricFamily
		for _, s := range own {
			if f := byName[s.family]; f != nil {
				if f = s.of(f); len(f.Metric) > 0 {
					chosen = append(chosen, f)
				}
			}
		}
		return chosen, err
	})
}

// of returns the family with the series that its share allows. It does not change f.
func (s share) of(f *dto.MetricFamily) *dto.MetricFamily {
	var series []*dto.Metric
	for _, labels := range s.labels {
		if series = s.by(labels, f); len(series) <= s.series {
			break
		}
	}
	if series == nil || len(series) > s.series {
		series = s.by(nil, f)
	}
	return &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type, Unit: f.Unit, Metric: series}
}

// by adds up the series with the same values of the labels. The result is sorted by these values.
func (s share) by(labels []string, f *dto.MetricFamily) []*dto.Metric {
	type sum struct {
		labels []*dto.LabelPair
		value  float64
	}
	sums := map[string]*sum{}
	for _, m := range f.Metric {
		value, ok := valueOf(m)
		if !ok {
			continue
		}
		var key []byte
		var kept []*dto.LabelPair
		for _, l := range m.Label { // sorted by name
			if slices.Contains(labels, l.GetName()) {
				kept = append(kept, l)
				key = append(append(key, l.GetName()...), 0xff)
				key = append(append(key, l.GetValue()...), 0xff)
			}
		}
		switch t := sums[string(key)]; {
		case t == nil:
			sums[string(key)] = &sum{kept, value}
		case s.least:
			t.value = math.Min(t.value, value)
		default:
			t.value += value
		}
	}
	series := make([]*dto.Metric, 0, len(sums))
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		m := &dto.Metric{Label: sums[key].labels}
		switch v := sums[key].value; f.GetType() {
		case dto.MetricType_COUNTER:
			m.Counter = &dto.Counter{Value: &v}
		case dto.MetricType_GAUGE:
			m.Gauge = &dto.Gauge{Value: &v}
		default:
			m.Untyped = &dto.Untyped{Value: &v}
		}
		series = append(series, m)
	}
	return series
}

// valueOf returns the value of a series that is neither a histogram nor a summary.
func valueOf(m *dto.Metric) (float64, bool) {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue(), true
	case m.Gauge != nil:
		return m.Gauge.GetValue(), true
	case m.Untyped != nil:
		return m.Untyped.GetValue(), true
	}
	return 0, false
}
