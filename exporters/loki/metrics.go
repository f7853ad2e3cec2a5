package loki

import (
	"github.com/prometheus/client_golang/prometheus"

	"lighter/exporters/endpoint"
)

// Metrics counts what all Loki endpoints of a process do.
type Metrics struct{ endpoint.Metrics }

// NewMetrics registers the metrics on reg. queue is the process's lighter_queue_bytes, by endpoint and in.
func NewMetrics(reg prometheus.Registerer, queue *prometheus.GaugeVec) *Metrics {
	m := endpoint.Metrics{
		Delivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lighter_log_lines_delivered_total", Help: "Log lines that an endpoint has accepted; with several endpoints, a line counts once for each."}),
		Dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_log_lines_dropped_total", Help: "Log lines that were not delivered to an endpoint and are lost: it refused them (the reason is taken from its response), or they were damaged on disk (buffer_damaged) or had an unknown format there (buffer_format)."}, []string{"endpoint", "reason"}),
		Queue: queue,
	}
	reg.MustRegister(m.Delivered, m.Dropped)
	return &Metrics{m}
}
