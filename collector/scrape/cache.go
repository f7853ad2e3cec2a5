package scrape

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// series is what is remembered of one label set.
type series struct {
	encoded  []byte        // its labels for every sink, see encodeLabels
	hash     uint64        // of its labels
	last     int64         // time of its last sample, Unix milliseconds
	exemplar *exemplarMark // the last one that was sent; nil if none was
	seen     uint32        // the round that last showed it
	kind     kind          // of its last sample
	live     bool          // the sinks have a sample of it that asks for a staleness marker when it ends
}

const never = math.MinInt64

// text is a series' name and labels as they stand on the page. Several texts may be one
// series: order and spaces are free, and relabelling may drop what differs.
type text struct {
	series     *series  // nil if metric relabelling drops it
	start      startKey // the metric whose start time it shares; 0 if none is told
	seen       uint32
	tellsStart bool // it is the series that tells that time
}

// learned is a text that came in this round, so that a failed one can be forgotten.
type learned struct {
	text   string
	series *series // nil if the series was known or is dropped
}

// cache remembers the series of a target. Only its Loop uses it.
type cache struct {
	cfg    Config
	target labels.Labels
	sinks  []Sink

	round  uint32 // of scrapes, failed ones included
	texts  map[string]*text
	byHash map[uint64]*series
	shown  int // texts seen in this round
	fresh  []learned
	starts map[startKey]int64 // start times that the page tells, Unix milliseconds

	builder *labels.Builder
	seed    maphash.Seed
	scratch struct{ one, all []byte }
}

func newCache(target labels.Labels, cfg Config, sinks []Sink) *cache {
	return &cache{
		cfg:     cfg,
		target:  target,
		sinks:   sinks,
		texts:   map[string]*text{},
		byHash:  map[uint64]*series{},
		starts:  map[startKey]int64{},
		seed:    maphash.MakeSeed(),
		builder: labels.NewBuilder(labels.EmptyLabels()),
	}
}

// begin starts a round, also one whose page will not be had.
func (c *cache) begin() {
	c.round++
	c.shown = 0
	c.fresh = nil
}

// learn remembers a text that is not known, whose labels on the page are l.
func (c *cache) learn(raw []byte, l labels.Labels) (t *text, isNew bool, err error) {
	l, keep, err := c.relabel(l)
	if err != nil {
		return nil, false, err
	}
	t = &text{}
	if keep {
		t.series, isNew = c.seriesOf(l)
	}
	key := string(raw)
	c.texts[key] = t
	f := learned{text: key}
	if isNew {
		f.series = t.series
	}
	c.fresh = append(c.fresh, f)
	return t, isNew, nil
}

// seriesOf returns the series of a label set, the known one if there is one.
func (c *cache) seriesOf(l labels.Labels) (s *series, isNew bool) {
	c.scratch.all, c.scratch.one = encodeLabels(c.scratch.all[:0], c.scratch.one, c.sinks, l)
	hash := l.Hash()
	known := c.byHash[hash]
	if known != nil && bytes.Equal(known.encoded, c.scratch.all) {
		return known, false
	}
	s = &series{encoded: bytes.Clone(c.scratch.all), hash: hash, last: never}
	if known == nil { // else two label sets share a hash, and the second does without the index
		c.byHash[hash] = s
	}
	return s, true
}

func (c *cache) forget(s *series) {
	if c.byHash[s.hash] == s {
		delete(c.byHash, s.hash)
	}
}

// encodeLabels appends, for each sink, the length of the label set as it sends it and the
// set itself; the length is 0 where the sink drops the series. one is scratch memory.
func encodeLabels(dst, one []byte, sinks []Sink, l labels.Labels) (all, scratch []byte) {
	for _, sink := range sinks {
		var ok bool
		if one, ok = sink.AppendLabels(one[:0], l); !ok {
			one = one[:0]
		}
		dst = binary.AppendUvarint(dst, uint64(len(one)))
		dst = append(dst, one...)
	}
	return dst, one
}

// relabel makes the labels that a sample on the page gets: with the target's, after the
// metric relabelling. Labels that no backend takes are an error, as in Prometheus.
func (c *cache) relabel(l labels.Labels) (_ labels.Labels, keep bool, err error) {
	if name, twice := l.HasDuplicateLabelNames(); twice {
		return l, false, fmt.Errorf("series %s has the label %s twice", l.Get(model.MetricNameLabel), name)
	}
	b := c.builder
	b.Reset(l)
	addTarget(b, l, c.target, c.cfg.HonorLabels)
	if !relabel.ProcessBuilder(b, c.cfg.MetricRelabel...) {
		return l, false, nil
	}
	l = b.Labels()
	if !l.Has(model.MetricNameLabel) {
		return l, false, fmt.Errorf("series %s has no name after metric relabelling", l)
	}
	if !l.IsValid(model.LegacyValidation) {
		return l, false, fmt.Errorf("series %s has a name, label name or value that backends do not take", l)
	}
	return l, true, nil
}

// addTarget adds the target's labels to those of a sample. Where both have one, the
// sample's wins if honor, else it is kept as exported_<name>.
func addTarget(b *labels.Builder, sample, target labels.Labels, honor bool) {
	target.Range(func(t labels.Label) {
		own := sample.Get(t.Name)
		switch {
		case honor && sample.Has(t.Name):
			return
		case !honor && own != "":
			exported := model.ExportedLabelPrefix + t.Name
			for b.Get(exported) != "" {
				exported = model.ExportedLabelPrefix + exported
			}
			b.Set(exported, own)
		}
		b.Set(t.Name, t.Value)
	})
}

// markVanished ends a good round: what was not shown in it gets a marker and is forgotten.
func (c *cache) markVanished(at int64, out *blocks) {
	if c.shown == len(c.texts) {
		return
	}
	for key, t := range c.texts {
		if t.seen == c.round {
			continue
		}
		delete(c.texts, key)
		if s := t.series; s != nil && s.seen != c.round {
			s.mark(at, out)
			c.forget(s)
		}
	}
}

// markAll ends a failed round: everything that the last good one showed gets a marker, and
// what the failed one brought is forgotten. Nothing of the failed round has been sent.
func (c *cache) markAll(at int64, out *blocks) {
	for _, f := range c.fresh {
		delete(c.texts, f.text)
		if f.series != nil {
			c.forget(f.series)
		}
	}
	for _, t := range c.texts {
		s := t.series
		if s == nil {
			continue
		}
		if s.seen == c.round {
			s.last = never
		}
		s.mark(at, out)
	}
}

// mark appends a staleness marker if one is due, once.
func (s *series) mark(at int64, out *blocks) {
	if !s.live {
		return
	}
	s.live = false
	if at <= s.last {
		return // the clock went back: backends would refuse it
	}
	s.last = at
	marker := s.kind.stale(at)
	out.point = marker.append(out.point[:0], 0)
	out.addPoint(s.encoded, false)
}
