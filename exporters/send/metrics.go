package send

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts what all endpoints of a process do, whatever their protocol.
type Metrics struct {
	up       *upGauge
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	duration *prometheus.CounterVec
}

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	up := &upGauge{
		desc: prometheus.NewDesc("lighter_endpoint_up",
			"1 while the endpoint accepts data, 0 while attempts to send data fail, or once it has refused all data for a minute.", []string{"endpoint"}, nil),
		endpoints: map[string]*health{},
	}
	reg.MustRegister(up)
	return &Metrics{
		up: up,
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_endpoint_requests_total", Help: "Attempts to send a request, by status code; error means no response at all."}, []string{"endpoint", "code"}),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_endpoint_sent_bytes_total", Help: "Compressed bytes of requests that got a response."}, []string{"endpoint"}),
		duration: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_endpoint_request_duration_seconds_total", Help: "Total duration of requests that got a response; divided by their number, it is the mean duration."}, []string{"endpoint"}),
	}
}

// Forget deletes the series of an endpoint that no longer exists.
func (m *Metrics) Forget(endpoint string) {
	of := prometheus.Labels{"endpoint": endpoint}
	m.requests.DeletePartialMatch(of)
	m.bytes.DeletePartialMatch(of)
	m.duration.DeletePartialMatch(of)
	m.up.remove(endpoint)
}

func (m *Metrics) observe(endpoint string, status, bytes int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(status)).Inc()
	m.bytes.WithLabelValues(endpoint).Add(float64(bytes))
	m.duration.WithLabelValues(endpoint).Add(took.Seconds())
}

// upGauge is lighter_endpoint_up. It reads each endpoint's health when it is collected, because an endpoint
// that refuses everything counts as down only after a while, in which nothing may happen.
type upGauge struct {
	desc *prometheus.Desc

	mu        sync.Mutex
	endpoints map[string]*health // by name
}

// health returns the health of an endpoint: that of an earlier Sender to the same URL, if any, or a new
// one.
func (g *upGauge) health(o Options) *health {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.endpoints[o.Endpoint]
	if h == nil || h.o.URL != o.URL {
		h = newHealth(o)
		g.endpoints[o.Endpoint] = h
		return h
	}
	h.continueWith(o)
	return h
}

func (g *upGauge) remove(endpoint string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.endpoints, endpoint)
}

// Describe implements prometheus.Collector.
func (g *upGauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *upGauge) Collect(ch chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, h := range g.endpoints {
		up := 0.0
		if h.status().Up {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, up, name)
	}
}
