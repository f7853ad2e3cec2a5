package tail

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts what all tailers of a process do. Fields that tailers count themselves are exported.
type Metrics struct {
	Truncated prometheus.Counter
	Broken    prometheus.Counter
	Repeated  prometheus.Counter
	Reopens   Reopens

	read  prometheus.Counter
	bytes prometheus.Counter
	gaps  prometheus.Counter
}

// Reopens counts reopened logs by reason.
type Reopens struct {
	Broken  prometheus.Counter // it could not be read
	Full    prometheus.Counter // it was closed for want of room
	Ended   prometheus.Counter // the Engine ended its response before the end of the log
	Stalled prometheus.Counter // the Engine sent nothing more although the log continued
}

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	reopens := f.NewCounterVec(prometheus.CounterOpts{
		Name: "lighter_log_reopens_total", Help: "Logs that were opened again: broken, because they could not be read; full, because there was no room for their lines; ended, because the Engine ended its answer before the log, as when a container starts again; stalled, because the Engine sent nothing more though the log went on."}, []string{"reason"})
	return &Metrics{
		Truncated: counter("lighter_log_lines_truncated_total", "Log lines cut because they were longer than the limit."),
		Broken:    counter("lighter_log_lines_broken_total", "Records of logs that could not be read and were passed over: a line of a log file that a full disk cut short, or a message of the Engine without a timestamp."),
		Repeated:  counter("lighter_log_lines_repeated_total", "Lines that the Engine handed out twice and that were sent once."),
		Reopens:   Reopens{Broken: reopens.WithLabelValues("broken"), Full: reopens.WithLabelValues("full"), Ended: reopens.WithLabelValues("ended"), Stalled: reopens.WithLabelValues("stalled")},
		read:      counter("lighter_log_lines_read_total", "Log lines read and handed on for delivery, each once as long as the agent lives."),
		bytes:     counter("lighter_log_bytes_read_total", "Bytes of those lines."),
		gaps:      counter("lighter_log_gaps_total", "Times that lines of a log were gone before they were read: the log had been rotated past the position where reading went on, or a part of it is damaged."),
	}
}
