package remotewrite

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lighter/exporters/endpoint"
)

// Metrics counts what all remote-write endpoints of a process do.
type Metrics struct {
	endpoint.Metrics

	written *prometheus.CounterVec
}

// NewMetrics registers the metrics on reg. queueBytes is lighter_queue_bytes{endpoint, in}, which endpoints
// of all protocols share.
func NewMetrics(reg prometheus.Registerer, queueBytes *prometheus.GaugeVec) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		Metrics: endpoint.Metrics{
			Delivered: f.NewCounter(prometheus.CounterOpts{
				Name: "lighter_samples_delivered_total", Help: "Samples that an endpoint has taken; with several endpoints a sample counts for each."}),
			Dropped: f.NewCounterVec(prometheus.CounterOpts{
				Name: "lighter_samples_dropped_total",
				Help: "Samples that are lost to an endpoint: it refused them (the reason is read from its words), the buffer was full (buffer_full), its file was damaged (buffer_damaged) or of an unknown format (buffer_format), or the agent stopped and there was no disk to keep them (shutdown)."},
				[]string{"endpoint", "reason"}),
			Queue: queueBytes,
		},
		written: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_endpoint_written_total", Help: "What an endpoint of remote write 2.0 says to have written: kind is samples, histograms or exemplars."},
			[]string{"endpoint", "kind"}),
	}
}

// Forget deletes the series of an endpoint that no longer exists.
func (m *Metrics) Forget(name string) {
	m.Metrics.Forget(name)
	m.written.DeletePartialMatch(prometheus.Labels{"endpoint": name})
}
