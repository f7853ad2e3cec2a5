package tail

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what all tailers of a process count. Those that a tailer counts itself are
// exported.
type Metrics struct {
	Truncated prometheus.Counter
	Broken    prometheus.Counter
	Reopens   prometheus.Counter

	read  prometheus.Counter
	bytes prometheus.Counter
	gaps  prometheus.Counter
}

// NewMetrics registers them on reg; a test passes a registry of its own.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &Metrics{
		Truncated: counter("lighter_log_lines_truncated_total", "Log lines cut at LIGHTER_MAX_LINE."),
		Broken:    counter("lighter_log_lines_broken_total", "Lines of log files that were no record of the Engine's, such as one cut short by a full disk, and were passed over."),
		Reopens:   counter("lighter_log_reopens_total", "Log streams that broke or were closed for want of room, and were opened again."),
		read:      counter("lighter_log_lines_read_total", "Log lines read and handed on for delivery, each once as long as the agent lives."),
		bytes:     counter("lighter_log_bytes_read_total", "Bytes of those lines."),
		gaps:      counter("lighter_log_gaps_total", "Times that a log had been rotated past the place where reading went on: lines are gone that were never read."),
	}
}
