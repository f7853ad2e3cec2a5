package logmetrics

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/collector/stage/level"
)

// Gatherer gathers the page of all metrics. It is safe for concurrent use.
func (s *Set) Gatherer() prometheus.Gatherer {
	reg := prometheus.NewRegistry()
	reg.MustRegister(s)
	return reg
}

// Describe implements prometheus.Collector. It sends nothing, because metrics come and go.
func (s *Set) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. It sends the counts of all logs as of their acknowledged
// positions.
func (s *Set) Collect(ch chan<- prometheus.Metric) {
	p, refused := s.page()
	add := func(m prometheus.Metric, err error) {
		if err != nil {
			s.logger.Error("a metric counted from log lines cannot be shown", "error", err)
			return
		}
		ch <- m
	}
	for name, n := range refused {
		add(prometheus.NewConstMetric(refusedDesc(), prometheus.CounterValue, float64(n), name))
	}
	lines, bytes, byLevel := linesDesc(), bytesDesc(), s.lines.Load()
	for _, c := range p.containers {
		for i, n := range c.lines {
			if n > 0 && byLevel {
				add(prometheus.NewConstMetric(lines, prometheus.CounterValue, float64(n), c.service, c.container, level.Level(i).String()))
			}
		}
		if byLevel {
			add(prometheus.NewConstMetric(bytes, prometheus.CounterValue, float64(c.bytes), c.service, c.container))
		}
		for _, t := range c.tables {
			desc := prometheus.NewDesc(t.name, p.metrics[t.name].help, append([]string{"service", "container"}, t.labels...), nil)
			for _, series := range t.series {
				add(t.show(series, desc, c.service, c.container))
			}
		}
	}
}

func refusedDesc() *prometheus.Desc {
	return prometheus.NewDesc("lighter_log_metrics_refused_total", "Log lines that a metric did not count, because it has reached its maximum number of series.", []string{"metric"}, nil)
}

func linesDesc() *prometheus.Desc {
	return prometheus.NewDesc("lighter_container_log_lines_total", "Log entries of a container, by level.", []string{"service", "container", "level"}, nil)
}

func bytesDesc() *prometheus.Desc {
	return prometheus.NewDesc("lighter_container_log_bytes_total", "Bytes of the log entries of a container.", []string{"service", "container"}, nil)
}

// page holds the counts to show.
type page struct {
	containers map[string]*container // by service and container
	metrics    map[string]*metric    // by name
}

// container holds the sum of the counts of all logs of one service and container.
type container struct {
	service, container string
	lines              [levels]uint64
	bytes              uint64
	tables             map[string]*table // by name
}

// page returns the counts of all logs as of their acknowledged positions, and the number of lines that each
// family has refused.
func (s *Set) page() (*page, map[string]uint64) {
	p := &page{map[string]*container{}, map[string]*metric{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range slices.SortedFunc(maps.Values(s.logs), func(a, b *log) int { return cmp.Compare(a.number, b.number) }) {
		p.add(l, l.durable())
	}
	refused := map[string]uint64{}
	for name, f := range s.families {
		refused[name] = f.refused.Load()
	}
	return p, refused
}

// durable returns the log's counts as of its acknowledged position, with all additions. The caller holds
// Set.mu.
func (l *log) durable() *counts {
	c, ok := decode(l.state(), l.program.metrics)
	if !ok {
		c = newCounts(l.program.metrics)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// What is written is never taken back, so additions that it includes are no longer needed.
	l.additions = slices.DeleteFunc(l.additions, func(a addition) bool { return a.number <= c.included })
	l.include(c)
	return c
}

// add adds the counts of a log. Logs must be added in the order in which they were made.
func (p *page) add(l *log, c *counts) {
	key := pair(l.service, l.container)
	of := p.containers[key]
	if of == nil {
		of = &container{service: l.service, container: l.container, tables: map[string]*table{}}
		p.containers[key] = of
	}
	for i, n := range c.lines {
		of.lines[i] += n
	}
	of.bytes += c.bytes
	for _, t := range c.tables {
		m := p.metrics[t.name]
		if m == nil {
			m = t.metric
			p.metrics[t.name] = m
		}
		if m.signature != t.signature {
			continue // the page has the first of two metrics that differ
		}
		if of.tables[t.name] == nil {
			of.tables[t.name] = newTable(m)
		}
		of.tables[t.name].include(t, true)
	}
}

// show returns a series as a metric. A counter whose name does not end in _total has no type, because
// OpenMetrics would rename it.
func (t *table) show(s *series, desc *prometheus.Desc, service, container string) (prometheus.Metric, error) {
	own, _ := values(s.key, len(t.labels))
	labels := append([]string{service, container}, own...)
	f, as := s.f, prometheus.UntypedValue
	switch {
	case t.kind == histogram:
		total, buckets := uint64(0), make(map[float64]uint64, len(t.bounds))
		for i, n := range s.buckets {
			total += n
			if i < len(t.bounds) {
				buckets[t.bounds[i]] = total
			}
		}
		return prometheus.NewConstHistogram(desc, total, s.f, buckets, labels...)
	case t.kind == gauge:
		as = prometheus.GaugeValue
	case strings.HasSuffix(t.name, "_total"):
		as = prometheus.CounterValue
	}
	if t.kind == count {
		f = float64(s.n)
	}
	return prometheus.NewConstMetric(desc, as, f, labels...)
}
