package syslog

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what all Servers of a process count. The names are those of Alloy, where Alloy has them.
type Metrics struct {
	entries prometheus.Counter
	errors  prometheus.Counter
	empty   prometheus.Counter
	cut     prometheus.Counter
	dropped prometheus.Counter
}

// NewMetrics registers them on reg; a test passes a registry of its own.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &Metrics{
		entries: counter("loki_source_syslog_entries_total", "Entries made from syslog messages."),
		errors:  counter("loki_source_syslog_parsing_errors_total", "Syslog messages that could not be parsed and were left out, and connections that were closed because their framing was broken."),
		empty:   counter("loki_source_syslog_empty_messages_total", "Syslog messages without a text."),
		cut:     counter("lighter_syslog_messages_cut_total", "Syslog messages that were cut because they were longer than max_message_length, or because their connection ended."),
		dropped: counter("lighter_syslog_messages_dropped_total", "Syslog messages that were lost: UDP messages that came while there was no room for them, and messages for which the endpoints had no room when the source stopped."),
	}
}
