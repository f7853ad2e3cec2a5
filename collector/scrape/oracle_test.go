package scrape

import (
	"cmp"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
	"lighter/collector/scrape/memo"
)

// oracle is the reference implementation. It passes every page whole to textparse, relabels every line, and
// keeps series in a map by their labels. The optimized reading must differ from it in nothing but its cost.
type oracle struct {
	cfg    Config
	round  uint32
	series map[string]*oracleSeries
	labels map[string]labels.Labels
}

// oracleSeries is the oracle's state of a series.
type oracleSeries struct {
	last     int64
	exemplar *memo.Exemplar
	seen     uint32
	live     bool
}

func newOracle(cfg Config) *oracle {
	return &oracle{cfg: cfg, series: map[string]*oracleSeries{}, labels: map[string]labels.Labels{}}
}

// datum is a sample that a scrape sends, with its exact value and its exemplars.
type datum struct {
	Series    string
	Time      int64
	Bits      uint64
	Exemplars []string
}

func shownExemplar(l labels.Labels, v float64, t int64) string {
	return labels.NewBuilder(l).Set("time", value64(uint64(t))).Set("bits", value64(math.Float64bits(v))).Labels().String()
}

func value64(v uint64) string {
	b := make([]byte, 0, 16)
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[v>>shift&15])
	}
	return string(b)
}

// read reads one page. The staleness markers come last, sorted by series.
func (m *oracle) read(body []byte, contentType string, at int64) (points []datum, n counts, err error) {
	m.round++
	before := map[string]oracleSeries{}
	for name, s := range m.series {
		before[name] = *s
	}
	points, err = m.page(body, contentType, at, &n)
	var markers []datum
	mark := func(name string, s *oracleSeries) {
		if s.live && at > s.last {
			s.last = at
			if !isReported(m.labels[name]) {
				markers = append(markers, datum{name, at, value.StaleNaN, nil})
			}
		}
		s.live = false
	}
	if err != nil {
		for name := range m.series {
			if _, ok := before[name]; !ok {
				delete(m.series, name)
			}
		}
		for name, s := range before {
			*m.series[name] = s
			mark(name, m.series[name])
		}
		points = nil
	} else {
		for name, s := range m.series {
			if s.seen != m.round {
				mark(name, s)
				delete(m.series, name)
			}
		}
	}
	slices.SortFunc(markers, func(a, b datum) int { return cmp.Compare(a.Series, b.Series) })
	return append(points, markers...), n, err
}

func (m *oracle) page(body []byte, contentType string, at int64, n *counts) (points []datum, err error) {
	if slices.Contains(body, 0) {
		return nil, failf(resultBadContent, "its page is broken: it holds a zero byte")
	}
	p, err := textparse.New(slices.Clone(body), contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain"})
	if p == nil {
		return nil, &failure{resultBadContent, err}
	}
	c := newRules(testTarget, m.cfg)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return points, nil
		}
		if err != nil {
			return nil, notMetrics(contentType, body, err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		raw, ts, v := p.Series()
		n.scraped++
		if len(raw) > maxSeriesText {
			return nil, failf(resultBadContent, "its page has a series of %d bytes, at most %d are read", len(raw), maxSeriesText)
		}
		var l labels.Labels
		p.Labels(&l)
		l, keep, err := c.relabel(l)
		if err != nil {
			return nil, &failure{resultBadContent, err}
		}
		if !keep {
			continue
		}
		name := l.String()
		s := m.series[name]
		if s == nil {
			n.added++
			s = &oracleSeries{last: memo.Never}
			m.series[name], m.labels[name] = s, l
		}
		if n.kept++; m.cfg.SampleLimit > 0 && n.kept > m.cfg.SampleLimit {
			return nil, failf(resultSampleLimit, "its page has more than %d samples, the limit", m.cfg.SampleLimit)
		}
		again := s.seen == m.round
		s.seen = m.round
		t, timed := at, ts != nil && m.cfg.HonorTimestamps
		if timed {
			t = *ts
		}
		limit := at + maxAhead.Milliseconds()
		switch {
		case timed && t > limit:
			n.ahead++
		case t > s.last:
			s.last, s.live = t, !timed
			if sent := m.exemplars(p, s, t, limit); !isReported(l) {
				points = append(points, datum{name, t, math.Float64bits(v), sent})
			}
		case again:
			n.duplicate++
		case t < s.last:
			n.outOfOrder++
		case !timed:
			n.duplicate++
		}
	}
}

// isReported reports whether a series has the labels of one of those that report a scrape.
func isReported(l labels.Labels) bool {
	b := labels.NewBuilder(l)
	b.Del(model.MetricNameLabel)
	names := []string{"up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added"}
	return slices.Contains(names, l.Get(model.MetricNameLabel)) && labels.Equal(b.Labels(), testTarget)
}

func (*oracle) exemplars(p textparse.Parser, s *oracleSeries, t, limit int64) (sent []string) {
	var e exemplar.Exemplar
	if !p.Exemplar(&e) || !validExemplar(e.Labels) {
		return nil
	}
	this := memo.Exemplar{Time: e.Ts, Value: e.Value, Hash: e.Labels.Hash()}
	if !e.HasTs {
		this.Time = t
		if s.exemplar != nil && s.exemplar.Value == this.Value && s.exemplar.Hash == this.Hash {
			return nil
		}
	}
	if this.Time <= 0 || this.Time > limit || s.exemplar != nil && !before(s.exemplar, &this) {
		return nil
	}
	s.exemplar = &this
	return []string{shownExemplar(e.Labels, e.Value, this.Time)}
}

// pointsOf decodes blocks with the library. The staleness markers come last, sorted by series.
func pointsOf(tb testing.TB, blocks []lighter.Block) (points []datum) {
	tb.Helper()
	var b labels.ScratchBuilder
	for _, block := range blocks {
		var req prompb.WriteRequest
		if err := req.Unmarshal(block.Body); err != nil {
			tb.Fatal(err)
		}
		n := 0
		for _, ts := range req.Timeseries {
			n += len(ts.Samples) + len(ts.Histograms)
			for _, s := range ts.Samples {
				d := datum{ts.ToLabels(&b, nil).String(), s.Timestamp, math.Float64bits(s.Value), nil}
				for _, e := range ts.Exemplars {
					d.Exemplars = append(d.Exemplars, shownExemplar(e.ToExemplar(&b, nil).Labels, e.Value, e.Timestamp))
				}
				points = append(points, d)
			}
		}
		if n != block.Samples {
			tb.Errorf("a block says %d samples and has %d", block.Samples, n)
		}
	}
	first := len(points)
	for first > 0 && points[first-1].Bits == value.StaleNaN {
		first--
	}
	slices.SortFunc(points[first:], func(a, b datum) int { return cmp.Compare(a.Series, b.Series) })
	return points
}
