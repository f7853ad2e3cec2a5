package drop

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lighter"
	"lighter/collector/stage"
)

// Metrics counts what the stages of a process drop.
type Metrics struct {
	lines, bytes *prometheus.CounterVec

	mu       sync.Mutex
	services map[string]*totals
}

// totals count what the stages of a service have seen.
type totals struct {
	lines, bytes, linesOut, bytesOut atomic.Int64
}

// NewMetrics registers the counters on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		lines: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_log_lines_filtered_total",
			Help: "Log lines that a rule left out, by service and rule.",
		}, []string{"service", "rule"}),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_log_bytes_filtered_total",
			Help: "Bytes of the log lines that a rule left out, by service and rule.",
		}, []string{"service", "rule"}),
		services: map[string]*totals{},
	}
}

// Share is how much of a service's log has been dropped since the agent started.
type Share struct {
	Service  string
	Lines    int64 // of the log, including dropped ones
	Bytes    int64 // in all of those lines
	LinesOut int64 // dropped lines
	BytesOut int64 // in the dropped lines
}

// Shares returns the shares of all services that have rules, the one with the most dropped bytes first.
func (m *Metrics) Shares() []Share {
	m.mu.Lock()
	all := make([]Share, 0, len(m.services))
	for service, t := range m.services {
		// Read the dropped counts first, so that they never exceed the totals.
		out, outBytes := t.linesOut.Load(), t.bytesOut.Load()
		all = append(all, Share{service, t.lines.Load(), t.bytes.Load(), out, outBytes})
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.BytesOut, a.BytesOut), cmp.Compare(a.Service, b.Service))
	})
	return all
}

// Forget removes the counts of a service that is gone.
func (m *Metrics) Forget(service string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.services, service)
	m.lines.DeletePartialMatch(prometheus.Labels{"service": service})
	m.bytes.DeletePartialMatch(prometheus.Labels{"service": service})
}

func (m *Metrics) of(service string) *totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.services[service]
	if t == nil {
		t = &totals{}
		m.services[service] = t
	}
	return t
}

// Maker makes stages that drop the entries that match one of the rules. Without rules there is no stage:
// batches go straight to the next one.
func Maker(rules *Rules, m *Metrics) stage.Maker {
	return stage.Maker{Name: "drop", New: func(log stage.Log, next lighter.Logs) lighter.Logs {
		if rules.Empty() {
			return next
		}
		d := &dropper{rules: rules.rules, next: next, totals: m.of(log.Service), counts: make([]count, len(rules.rules))}
		for i := range d.rules {
			c := &d.counts[i]
			c.lines = m.lines.WithLabelValues(log.Service, d.rules[i].name)
			c.bytes = m.bytes.WithLabelValues(log.Service, d.rules[i].name)
		}
		return d
	}}
}

// dropper is the stage of one log.
type dropper struct {
	rules  []rule
	next   lighter.Logs
	totals *totals
	counts []count // by rule
	health healthRule
}

// count is what one rule has dropped of the current batch, and the counters to add it to.
type count struct {
	n, size      int
	lines, bytes prometheus.Counter
}

// Append implements lighter.Logs.
func (d *dropper) Append(ctx context.Context, b *lighter.Batch) error {
	size, kept := 0, 0
	for i := range b.Entries {
		e := &b.Entries[i]
		size += len(e.Line)
		if r := d.matching(e.Line); r >= 0 {
			d.counts[r].n++
			d.counts[r].size += len(e.Line)
			continue
		}
		if kept != i {
			b.Entries[kept] = *e
		}
		kept++
	}
	d.count(len(b.Entries), size)
	clear(b.Entries[kept:]) // so that they retain no memory when the batch is reused
	b.Entries = b.Entries[:kept]
	return d.next.Append(ctx, b)
}

// matching returns the index of the first rule that a line matches, or -1 if there is none.
func (d *dropper) matching(line []byte) int {
	for i := range d.rules {
		if d.rules[i].match(line, &d.health) {
			return i
		}
	}
	return -1
}

// count adds a batch of the given size to the totals.
func (d *dropper) count(lines, size int) {
	d.totals.lines.Add(int64(lines))
	d.totals.bytes.Add(int64(size))
	for i := range d.counts {
		c := &d.counts[i]
		if c.n == 0 {
			continue
		}
		d.totals.linesOut.Add(int64(c.n))
		d.totals.bytesOut.Add(int64(c.size))
		c.lines.Add(float64(c.n))
		c.bytes.Add(float64(c.size))
		c.n, c.size = 0, 0
	}
}
