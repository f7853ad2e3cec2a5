package endpoint

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what all endpoints of a protocol do.
type Metrics struct {
	Delivered prometheus.Counter     // items that an endpoint has taken
	Dropped   *prometheus.CounterVec // lost items, by endpoint and reason
	Queue     *prometheus.GaugeVec   // lighter_queue_bytes, which all protocols share, by endpoint and in ("memory" or "disk")
}

// Forget deletes the series of an endpoint that no longer exists.
func (m *Metrics) Forget(name string) {
	of := prometheus.Labels{"endpoint": name}
	m.Dropped.DeletePartialMatch(of)
	m.Queue.DeletePartialMatch(of)
}
