package push

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what all Servers of a process count. The names are those of Alloy, where Alloy has them.
type Metrics struct {
	entries  prometheus.Counter
	requests *prometheus.HistogramVec
	inflight prometheus.Gauge
	refused  prometheus.Counter
}

// NewMetrics registers them on reg; a test passes a registry of its own.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		entries: f.NewCounter(prometheus.CounterOpts{
			Name: "loki_source_api_entries_written", Help: "Entries received through the push API and handed on."}),
		requests: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "loki_source_api_request_duration_seconds", Help: "Duration of requests, including the wait for the acknowledgement of their entries, by path and status.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"method", "route", "status_code"}),
		inflight: f.NewGauge(prometheus.GaugeOpts{
			Name: "loki_source_api_inflight_requests", Help: "Requests that are being served."}),
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "lighter_push_entries_refused_total", Help: "Entries received through the push API that a backend refused for good. Their senders were told so."}),
	}
}
