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
			Name: "lighter_log_lines_delivered_total", Help: "Log lines that an endpoint has taken; with several endpoints a line counts for each."}),
		Dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_log_lines_dropped_total", Help: "Log lines that are lost to an endpoint: it refused them (the reason is read from its words), or what waited on disk was damaged (buffer_damaged) or of an unknown format (buffer_format)."}, []string{"endpoint", "reason"}),
		Queue: queue,
	}
	reg.MustRegister(m.Delivered, m.Dropped)
	return &Metrics{m}
}
