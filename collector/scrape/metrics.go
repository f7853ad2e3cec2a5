package scrape

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts what all loops of a process do.
type Metrics struct {
	samples  prometheus.Counter
	rejected *prometheus.CounterVec
	scrapes  *prometheus.CounterVec
	seconds  prometheus.Counter
}

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	m := &Metrics{
		samples: f.NewCounter(prometheus.CounterOpts{
			Name: "lighter_samples_scraped_total", Help: "Samples on the pages of targets, before metric relabelling, of scrapes that count."}),
		rejected: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_samples_rejected_total",
			Help: "Samples that were scraped and not handed on: duplicate (the page has the series twice, the first counts), out_of_order (a time before the series' last), too_far_ahead (a time more than ten minutes ahead), not_taken (an endpoint that is closed)."},
			[]string{"reason"}),
		scrapes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_scrapes_total", Help: "Scrapes by result; all but ok give up 0 and no sample of the page."}, []string{"result"}),
		seconds: f.NewCounter(prometheus.CounterOpts{
			Name: "lighter_scrape_duration_seconds_total", Help: "Time that scrapes took; by lighter_scrapes_total, the mean."}),
	}
	for _, r := range []string{resultOK, resultUnreachable, resultTimeout, resultStatus, resultTooLarge, resultNoRoom, resultSampleLimit, resultBadContent} {
		m.scrapes.WithLabelValues(r)
	}
	for _, r := range []string{"duplicate", "out_of_order", "too_far_ahead", "not_taken"} {
		m.rejected.WithLabelValues(r)
	}
	return m
}

func (m *Metrics) observe(err error, took time.Duration, n counts) {
	m.seconds.Add(took.Seconds())
	m.scrapes.WithLabelValues(resultOf(err)).Inc()
	if err != nil {
		return
	}
	m.samples.Add(float64(n.scraped))
	for _, r := range []struct {
		reason string
		n      int
	}{{"duplicate", n.duplicate}, {"out_of_order", n.outOfOrder}, {"too_far_ahead", n.ahead}} {
		if r.n > 0 {
			m.rejected.WithLabelValues(r.reason).Add(float64(r.n))
		}
	}
}

func resultOf(err error) string {
	if err == nil {
		return resultOK
	}
	if f := (*failure)(nil); errors.As(err, &f) {
		return f.result
	}
	return resultUnreachable
}
