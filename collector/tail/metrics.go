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
		Name: "lighter_log_reopens_total", Help: "Times that a log was opened again, by reason: broken (it could not be read), full (there was no room for its lines), ended (the Engine ended its response before the end of the log, as when a container starts again), stalled (the Engine sent nothing more although the log grew)."}, []string{"reason"})
	return &Metrics{
		Truncated: counter("lighter_log_lines_truncated_total", "Log lines cut because they were longer than the limit."),
		Broken:    counter("lighter_log_lines_broken_total", "Records of logs that could not be read and were skipped: a line of a log file that a full disk cut short, or a message of the Engine without a timestamp."),
		Repeated:  counter("lighter_log_lines_repeated_total", "Lines that the Engine returned twice and that were sent once."),
		Reopens:   Reopens{Broken: reopens.WithLabelValues("broken"), Full: reopens.WithLabelValues("full"), Ended: reopens.WithLabelValues("ended"), Stalled: reopens.WithLabelValues("stalled")},
		read:      counter("lighter_log_lines_read_total", "Log lines read and passed on for delivery; each counts once while the agent runs."),
		bytes:     counter("lighter_log_bytes_read_total", "Bytes of the log lines read and passed on for delivery."),
		gaps:      counter("lighter_log_gaps_total", "Times that lines of a log were lost before they were read: the log had been rotated past the position where reading was to continue, or a part of it is damaged."),
	}
}
