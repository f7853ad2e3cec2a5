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
			Name: "lighter_samples_scraped_total", Help: "Samples on the pages of targets, before metric relabelling, without those of failed scrapes."}),
		rejected: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_samples_rejected_total",
			Help: "Samples that were scraped but not sent: duplicate (the page has the series more than once; the first value counts), out_of_order (a timestamp before the last one of the series), too_far_ahead (a timestamp more than ten minutes ahead), not_taken (the endpoint is closed)."},
			[]string{"reason"}),
		scrapes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_scrapes_total", Help: "Scrapes by result; for every result but ok, up is 0 and no sample of the page is sent."}, []string{"result"}),
		seconds: f.NewCounter(prometheus.CounterOpts{
			Name: "lighter_scrape_duration_seconds_total", Help: "Total duration of all scrapes; divided by lighter_scrapes_total, it is the mean duration."}),
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
