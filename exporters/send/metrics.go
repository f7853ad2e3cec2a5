package send

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what all endpoints of a process count, whatever their protocol.
type Metrics struct {
	up       *prometheus.GaugeVec
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	duration *prometheus.CounterVec
}

// NewMetrics registers them on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		up: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lighter_endpoint_up", Help: "1 while the endpoint takes what it is sent, 0 while attempts fail."}, []string{"endpoint"}),
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_endpoint_requests_total", Help: "Attempts by status code; error is no answer at all."}, []string{"endpoint", "code"}),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_endpoint_sent_bytes_total", Help: "Compressed bytes of requests that were answered."}, []string{"endpoint"}),
		duration: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_endpoint_request_duration_seconds_total", Help: "Time that answered requests took; by requests, the mean."}, []string{"endpoint"}),
	}
}

func (m *Metrics) observe(endpoint string, status, bytes int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(status)).Inc()
	m.bytes.WithLabelValues(endpoint).Add(float64(bytes))
	m.duration.WithLabelValues(endpoint).Add(took.Seconds())
}
