package process

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Shared holds what all pipelines of a process share: their metrics, under Alloy's names where Alloy has
// them.
type Shared struct {
	dropped          *prometheus.CounterVec
	droppedByLabel   *prometheus.CounterVec
	truncated        *prometheus.CounterVec
	criFlushed       *prometheus.CounterVec
	criTruncated     *prometheus.CounterVec
	relabelProcessed *prometheus.CounterVec
	relabelWritten   *prometheus.CounterVec
	refused          *prometheus.CounterVec
	customs          customs

	held atomic.Int64 // bytes of the batches that all logs hold
}

// NewShared registers the metrics on reg, including those that stages declare with stage.metrics.
func NewShared(reg prometheus.Registerer) *Shared {
	vec := func(name, help string, more ...string) *prometheus.CounterVec {
		return promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"component_id"}, more...))
	}
	s := &Shared{
		dropped:          vec("loki_process_dropped_lines_total", "Log lines that a stage has dropped, by the reason that the stage gives.", "reason"),
		droppedByLabel:   vec("loki_process_dropped_lines_by_label_total", "Log lines that a stage.limit with by_label_name has dropped.", "label_name", "label_value"),
		truncated:        vec("loki_process_truncated_fields_total", "Lines, labels, extracted values and structured metadata that a stage.truncate has cut.", "field"),
		criFlushed:       vec("loki_process_cri_partial_lines_flushed_total", "Partial lines that a stage.cri has handed on without the rest, because there were more than max_partial_lines."),
		criTruncated:     vec("loki_process_cri_lines_truncated_total", "Lines that a stage.cri has cut at max_partial_line_size."),
		relabelProcessed: vec("loki_relabel_entries_processed", "Log entries that a loki.relabel has taken."),
		relabelWritten:   vec("loki_relabel_entries_written", "Log entries that a loki.relabel has handed on."),
		refused:          vec("lighter_process_metrics_refused_total", "Log lines that a metric of a stage.metrics did not count, because it has as many series as it may have.", "metric"),
	}
	reg.MustRegister(&s.customs)
	return s
}

// counter is a counter that appears on the page with its first count.
type counter struct {
	vec    *prometheus.CounterVec
	values []string
	made   atomic.Pointer[prometheus.Counter]
}

func (s *Shared) counter(vec *prometheus.CounterVec, values ...string) *counter {
	return &counter{vec: vec, values: values}
}

func (c *counter) inc() { c.add(1) }

func (c *counter) add(n float64) {
	made := c.made.Load()
	if made == nil {
		one := c.vec.WithLabelValues(c.values...)
		made = &one
		c.made.Store(made)
	}
	(*made).Add(n)
}
