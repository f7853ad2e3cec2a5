package scrape

import (
	"bytes"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/scrape/memo"
)

// outcome is the result of a scrape, as the series about the scrape report it.
type outcome struct {
	up   bool
	took time.Duration
	counts

	size        int // of the page, uncompressed; 0 if none was read, -1 if it exceeded the limit
	timeout     time.Duration
	sampleLimit int
}

// reported are the series that every target has, whatever its page shows. The last extraReported of them
// are only sent with Config.ExtraMetrics.
var reported = [...]struct {
	name  string
	value func(outcome) float64
}{
	{"up", func(o outcome) float64 {
		if o.up {
			return 1
		}
		return 0
	}},
	{"scrape_duration_seconds", func(o outcome) float64 { return o.took.Seconds() }},
	{"scrape_samples_scraped", func(o outcome) float64 { return float64(o.scraped) }},
	{"scrape_samples_post_metric_relabeling", func(o outcome) float64 { return float64(o.kept) }},
	{"scrape_series_added", func(o outcome) float64 { return float64(o.added) }},
	{"scrape_timeout_seconds", func(o outcome) float64 { return o.timeout.Seconds() }},
	{"scrape_sample_limit", func(o outcome) float64 { return float64(o.sampleLimit) }},
	{"scrape_body_size_bytes", func(o outcome) float64 { return float64(o.size) }},
}

const extraReported = 3

// report keeps the series about the scrapes of one target. Metric relabelling does not apply to them. A
// series of the page with the same labels is not sent (see claim).
type report struct {
	all    [len(reported)]reportedSeries
	series []reportedSeries // those of reported that are sent
}

type reportedSeries struct {
	memo.State
	encoded [][]byte // labels for each sink, empty where the sink drops the series
}

func newReport(target labels.Labels, sinks []Sink, extra bool) *report {
	n := len(reported)
	if !extra {
		n -= extraReported
	}
	r, b := &report{}, labels.NewBuilder(target)
	r.series = r.all[:n]
	for i := range r.series {
		s := &r.series[i]
		b.Set(model.MetricNameLabel, reported[i].name)
		s.Last, s.encoded = memo.Never, make([][]byte, len(sinks))
		appendSeries(s.encoded, sinks, b.Labels())
	}
	return r
}

// claim empties the encoded labels of a page's series for each sink where they equal those of a series of
// the report. Otherwise one series would have two values at one time, and backends would keep the first, or
// either, or refuse both. Prometheus appends both as well; lighter always keeps the report's. The page's
// series is still counted and remembered, but needs no staleness marker, which would end the report's.
func (r *report) claim(encoded [][]byte) {
	for i := range encoded {
		for j := range r.series {
			if own := r.series[j].encoded[i]; bytes.Equal(own, encoded[i]) {
				encoded[i] = encoded[i][:0]
			}
		}
	}
}

func (r *report) add(out *blocks, at int64, o outcome) {
	for i := range r.series {
		s := &r.series[i]
		if at <= s.Last {
			continue // the clock went back; backends would refuse the sample
		}
		s.Last, s.Live = at, true
		out.point = appendSample(out.point[:0], reported[i].value(o), at, 0)
		out.addPoint(s.encoded, memo.Float, len(out.point), false)
	}
}

func (r *report) markStale(out *blocks, at int64) {
	for i := range r.series {
		out.markStale(r.series[i].encoded, &r.series[i].State, at)
	}
}
