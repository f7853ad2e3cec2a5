package scrape

import (
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// outcome is what a scrape says of itself.
type outcome struct {
	up   bool
	took time.Duration
	counts
}

// reported are the series that every target has, whatever its page shows.
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
}

// report keeps those series of one target. Metric relabelling does not touch them.
type report struct {
	target labels.Labels
	series [len(reported)]struct {
		series
		encoded [][]byte // nil until the first add
	}
}

func newReport(target labels.Labels) report { return report{target: target} }

func (r *report) add(out *blocks, sinks []Sink, at int64, o outcome) {
	for i, def := range reported {
		s := &r.series[i]
		if s.encoded == nil {
			b := labels.NewBuilder(r.target)
			b.Set(model.MetricNameLabel, def.name)
			s.last, s.encoded = never, make([][]byte, len(sinks))
			appendSeries(s.encoded, sinks, b.Labels())
		}
		if at <= s.last {
			continue // the clock went back: backends would refuse it
		}
		s.last, s.live = at, true
		out.point = appendSample(out.point[:0], def.value(o), at, 0)
		out.addPoint(s.encoded, false)
	}
}

func (r *report) markStale(out *blocks, at int64) {
	for i := range r.series {
		r.series[i].mark(r.series[i].encoded, at, out)
	}
}
