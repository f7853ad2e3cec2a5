package process

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

// custom is a metric that a stage.metrics declares. All logs share it. It has a series for each label set,
// up to a limit.
type custom struct {
	name, help string
	component  string
	kind       prometheus.ValueType // counter or gauge
	buckets    []float64            // of a histogram
	histogram  bool
	idle       time.Duration

	source    int    // line if it has none, because all entries count
	only      string // the value that counts; empty means any
	action    string
	lineBytes bool

	refused *counter // entries not counted because the metric has too many series

	mu     sync.Mutex
	series map[uint64]*series // by hash of the label set
	pruned time.Time          // when record last deleted idle series
}

// A metric's series are limited, because labels may have any values. Idle series are deleted when the page
// is requested. If nobody requests it, they are deleted when there are many and another one is needed.
const (
	maxSeries  = 10_000
	pruneFrom  = 1000
	pruneEvery = 10 * time.Second // no more often, because it examines all series
)

// series is one series of a custom metric.
type series struct {
	names, values []string
	value         float64 // the sum of a histogram
	count         uint64
	buckets       []uint64 // cumulative
	used          time.Time
}

// metricsStage is stage.metrics.
type metricsStage struct{ metrics []*custom }

func (o *metricsStage) run(r *runner, x *entry, at int) int {
	if r.way.Again {
		return at + 1
	}
	for _, m := range o.metrics {
		if v, ok := m.takes(x); ok {
			m.record(r.resolve(x), v)
		}
	}
	return at + 1
}

// takes returns the value that an entry adds to the metric.
func (m *custom) takes(x *entry) (v float64, ok bool) {
	var from value
	if m.source == line {
		if m.lineBytes {
			return float64(len(x.Line)), true
		}
	} else if from = x.values[m.source]; from.kind == absent {
		return 0, false
	}
	if m.only != "" {
		if t, ok := from.text(); !ok || string(t) != m.only {
			return 0, false
		}
	}
	switch m.action {
	case "inc", "dec":
		return 1, true
	}
	return from.float()
}

func (m *custom) record(n *node, v float64) {
	if m.kind == prometheus.CounterValue && !m.histogram && !(v >= 0) {
		return // a counter never decreases
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	s := m.series[n.hash]
	if s == nil {
		if len(m.series) >= pruneFrom && now.Sub(m.pruned) >= pruneEvery {
			m.prune(now)
		}
		if len(m.series) >= maxSeries {
			m.refused.inc()
			return
		}
		s = m.newSeries(n)
		m.series[n.hash] = s
	}
	s.used = now
	switch {
	case m.histogram:
		s.value += v
		s.count++
		for i, le := range m.buckets {
			if v <= le {
				s.buckets[i]++
			}
		}
	case m.action == "set":
		s.value = v
	case m.action == "dec" || m.action == "sub":
		s.value -= v
	default:
		s.value += v
	}
}

// prune deletes idle series.
func (m *custom) prune(now time.Time) {
	m.pruned = now
	maps.DeleteFunc(m.series, func(_ uint64, s *series) bool { return now.Sub(s.used) >= m.idle })
}

func (m *custom) newSeries(n *node) *series {
	s := &series{names: []string{"component_id"}, values: []string{m.component}, buckets: make([]uint64, len(m.buckets))}
	for _, l := range n.labels {
		if strings.HasPrefix(l.name, "__") || l.name == "component_id" || m.histogram && l.name == "le" || !model.UTF8Validation.IsValidLabelName(l.name) {
			continue
		}
		s.names, s.values = append(s.names, l.name), append(s.values, strings.ToValidUTF8(l.text, "\uFFFD"))
	}
	return s
}

// customs holds the metrics of all stages. It is an unchecked prometheus.Collector, which describes nothing
// in advance.
type customs struct {
	mu  sync.Mutex
	all []*custom
}

func (s *Shared) add(all []*custom) {
	s.customs.mu.Lock()
	defer s.customs.mu.Unlock()
	s.customs.all = append(s.customs.all, all...)
}

func (s *Shared) remove(all []*custom) {
	s.customs.mu.Lock()
	defer s.customs.mu.Unlock()
	s.customs.all = slices.DeleteFunc(s.customs.all, func(m *custom) bool { return slices.Contains(all, m) })
}

// Describe implements prometheus.Collector.
func (c *customs) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. If metrics share a name, it leaves out those of another kind
// than the first one, and duplicate series: they would make the page invalid.
func (c *customs) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	first := map[string]*custom{}
	seen := map[string]bool{}
	for _, m := range c.all {
		as := first[m.name]
		if as == nil {
			first[m.name], as = m, m
		}
		if as.histogram != m.histogram || as.kind != m.kind {
			continue
		}
		m.collect(as.help, now, ch, seen)
	}
}

func (m *custom) collect(help string, now time.Time, ch chan<- prometheus.Metric, seen map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prune(now)
	for _, s := range m.series {
		id := m.name + "\xff" + strings.Join(s.names, "\xff") + "\xff\xff" + strings.Join(s.values, "\xff")
		if seen[id] {
			continue
		}
		seen[id] = true
		desc := prometheus.NewDesc(m.name, help, s.names, nil)
		var one prometheus.Metric
		var err error
		if m.histogram {
			buckets := make(map[float64]uint64, len(m.buckets))
			for i, le := range m.buckets {
				buckets[le] = s.buckets[i]
			}
			one, err = prometheus.NewConstHistogram(desc, s.count, s.value, buckets, s.values...)
		} else {
			one, err = prometheus.NewConstMetric(desc, m.kind, s.value, s.values...)
		}
		if err == nil {
			ch <- one
		}
	}
}
