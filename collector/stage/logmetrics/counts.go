package logmetrics

import (
	"encoding/binary"

	"lighter/collector/stage/level"
)

// levels is the number of levels that level.Of knows.
const levels = int(level.Fatal) + 1

// counts holds what is counted from one log. It is not safe for concurrent use.
type counts struct {
	lines    [levels]uint64 // entries
	bytes    uint64
	tables   []*table // by metric of a program, in order
	included uint64   // number of the newest included addition; see addition
}

// table holds the series of one metric.
type table struct {
	*metric
	byKey  map[string]*series
	series []*series // in order of first occurrence
}

// series holds the count of one set of label values.
type series struct {
	key     string   // the label values in appendKey's form
	n       uint64   // for count
	f       float64  // for sum and gauge; the sum of a histogram
	buckets []uint64 // of a histogram, not cumulative; the last one is above all bounds

	encoded []byte // the form in a state
	stale   bool   // encoded is out of date
}

func newCounts(metrics []*metric) *counts {
	c := &counts{tables: make([]*table, len(metrics))}
	for i, m := range metrics {
		c.tables[i] = newTable(m)
	}
	return c
}

func newTable(m *metric) *table { return &table{metric: m, byKey: map[string]*series{}} }

// add adds a series, whose key must be new.
func (t *table) add(key string) *series {
	s := &series{key: key, stale: true}
	if t.kind == histogram {
		s.buckets = make([]uint64, len(t.bounds)+1)
	}
	t.byKey[key] = s
	t.series = append(t.series, s)
	return s
}

// count counts a number.
func (t *table) count(s *series, f float64) {
	s.stale = true
	switch t.kind {
	case count:
		s.n++
	case sum:
		s.f += f
	case gauge:
		s.f = f
	case histogram:
		i := 0
		for i < len(t.bounds) && f > t.bounds[i] {
			i++
		}
		s.buckets[i]++
		s.f += f
	}
}

// include adds the counts of another table of the same metric. If gauges is true it takes over the values
// of a gauge; otherwise it ignores them.
func (t *table) include(o *table, gauges bool) {
	if t.kind == gauge && !gauges {
		return
	}
	for _, other := range o.series {
		s := t.byKey[other.key]
		if s == nil {
			s = t.add(other.key)
		}
		s.stale = true
		s.n += other.n
		if t.kind == gauge {
			s.f = other.f
		} else {
			s.f += other.f
		}
		for i := range s.buckets {
			s.buckets[i] += other.buckets[i]
		}
	}
}

// include adds what another log has counted, except gauges.
func (c *counts) include(o *counts) {
	for i := range c.lines {
		c.lines[i] += o.lines[i]
	}
	c.bytes += o.bytes
	for _, other := range o.tables {
		for _, t := range c.tables {
			if t.signature == other.signature {
				t.include(other, false)
			}
		}
	}
}

// clone returns a copy without gauges.
func (c *counts) clone() *counts {
	metrics := make([]*metric, len(c.tables))
	for i, t := range c.tables {
		metrics[i] = t.metric
	}
	o := newCounts(metrics)
	o.include(c)
	o.included = c.included
	return o
}

// values returns the n label values in a key.
func values(key string, n int) ([]string, bool) {
	all := make([]string, 0, n)
	for len(key) > 0 {
		size, w := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen16)]))
		if w <= 0 || size > maxLabelValue || int(size) > len(key)-w {
			return nil, false
		}
		all = append(all, key[w:w+int(size)])
		key = key[w+int(size):]
	}
	return all, len(all) == n
}
