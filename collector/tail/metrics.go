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
	Repeated  prometheus.Counter
	Reopens   Reopens

	read  prometheus.Counter
	bytes prometheus.Counter
	gaps  prometheus.Counter
}

// Reopens are by why a log was opened again.
type Reopens struct {
	Broken prometheus.Counter // it could not be read
	Full   prometheus.Counter // it was closed for want of room
	Ended  prometheus.Counter // the Engine ended its answer before the log
}

// NewMetrics registers them on reg; a test passes a registry of its own.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	reopens := f.NewCounterVec(prometheus.CounterOpts{
		Name: "lighter_log_reopens_total", Help: "Logs that were opened again: broken, because they could not be read; full, because there was no room for their lines; ended, because the Engine ended its answer before the log, as when a container starts again."}, []string{"reason"})
	return &Metrics{
		Truncated: counter("lighter_log_lines_truncated_total", "Log lines cut at LIGHTER_MAX_LINE."),
		Broken:    counter("lighter_log_lines_broken_total", "Lines of log files that were no record of the Engine's, such as one cut short by a full disk, and were passed over."),
		Repeated:  counter("lighter_log_lines_repeated_total", "Lines that the Engine handed out twice and that were sent once."),
		Reopens:   Reopens{Broken: reopens.WithLabelValues("broken"), Full: reopens.WithLabelValues("full"), Ended: reopens.WithLabelValues("ended")},
		read:      counter("lighter_log_lines_read_total", "Log lines read and handed on for delivery, each once as long as the agent lives."),
		bytes:     counter("lighter_log_bytes_read_total", "Bytes of those lines."),
		gaps:      counter("lighter_log_gaps_total", "Times that a log had been rotated past the place where reading went on: lines are gone that were never read."),
	}
}
