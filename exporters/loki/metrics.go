package loki

import "github.com/prometheus/client_golang/prometheus"

// Metrics is what all Loki endpoints of a process count.
type Metrics struct {
	delivered prometheus.Counter
	dropped   *prometheus.CounterVec
	queue     *prometheus.GaugeVec
}

// NewMetrics registers them on reg. queue is the process's lighter_queue_bytes, by
// endpoint and in.
func NewMetrics(reg prometheus.Registerer, queue *prometheus.GaugeVec) *Metrics {
	m := &Metrics{
		delivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lighter_log_lines_delivered_total", Help: "Log lines that an endpoint has taken; with several endpoints a line counts for each."}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_log_lines_dropped_total", Help: "Log lines that an endpoint has refused for good, by its reason."}, []string{"endpoint", "reason"}),
		queue: queue,
	}
	reg.MustRegister(m.delivered, m.dropped)
	return m
}
