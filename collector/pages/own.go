package pages

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// OwnSeries is how many series Own passes on at most. A scrape loop adds five of its own, up among them,
// so that 60 are written for the agent.
const OwnSeries = 55

// share is what one family may have of OwnSeries.
type share struct {
	family string
	series int // at most; 1 is the sum of all
	// labels that series are told apart by, as far as they fit: those of the first list that gives no
	// more series than that. What is left out is summed up.
	labels [][]string
	least  bool // the least of the values counts instead of their sum
}

var (
	byEndpoint = [][]string{{"endpoint"}}
	byKind     = [][]string{{"kind"}}
	byReason   = [][]string{{"endpoint", "reason"}, {"reason"}, {"endpoint"}}
)

// own is what alerts and the agent's dashboard ask for. Each family has a fixed share, so that the
// number of series has a bound, and what one family has changes with nothing but that family. A label whose
// values are the user's, a service or a rule, is never among the labels.
var own = []share{
	// whether lines and samples arrive
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

	// what it costs
	{family: "lighter_budget_logs_bytes", series: 3, labels: byKind},
	{family: "lighter_budget_series", series: 4, labels: byKind},
	{family: "process_start_time_seconds", series: 1},
	{family: "process_resident_memory_bytes", series: 1},
	{family: "process_cpu_seconds_total", series: 1},
	{family: "go_goroutines", series: 1},
	{family: "lighter_build_info", series: 1, labels: [][]string{{"version", "commit", "goversion"}}},

	// what it does with lines
	{family: "lighter_log_bytes_read_total", series: 1},
	{family: "lighter_log_lines_filtered_total", series: 1},
	{family: "lighter_log_bytes_filtered_total", series: 1},
	{family: "lighter_log_redactions_total", series: 1},
	{family: "lighter_log_lines_truncated_total", series: 1},

	// what else one looks at when something is wrong; scrapes that fail are in up
	{family: "lighter_endpoint_requests_total", series: 6, labels: [][]string{{"endpoint", "code"}, {"endpoint"}, {"code"}}},
	{family: "lighter_endpoint_request_duration_seconds_total", series: 3, labels: byEndpoint},
	{family: "lighter_samples_rejected_total", series: 1},
}

// Own returns a gatherer of the agent's own series that are worth a place at a backend, out of all
// those of g: at most OwnSeries of them, however many endpoints, services and rules there are. It is safe
// for concurrent use if g is.
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

// of returns the family with the series that its share allows. It leaves f as it is.
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

// by adds up the series that have the same values of these labels. The order is that of the values.
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
		for _, l := range m.Label { // in the order of their names
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

// valueOf returns the value of a series that has one: no histogram, no summary.
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
