package dockerlog

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what all tailers of a process count.
type Metrics struct {
	read      prometheus.Counter
	bytes     prometheus.Counter
	truncated prometheus.Counter
	reopens   prometheus.Counter
	gaps      prometheus.Counter
}

// NewMetrics registers them on reg; a test passes a registry of its own.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &Metrics{
		read:      counter("lighter_log_lines_read_total", "Log lines read and handed on for delivery, each once as long as the agent lives."),
		bytes:     counter("lighter_log_bytes_read_total", "Bytes of those lines."),
		truncated: counter("lighter_log_lines_truncated_total", "Log lines cut at LIGHTER_MAX_LINE."),
		reopens:   counter("lighter_log_reopens_total", "Log streams that broke or were closed for want of room, and were opened again."),
		gaps:      counter("lighter_log_gaps_total", "Times that a log had been rotated past the place where reading went on: lines are gone that were never read."),
	}
}
