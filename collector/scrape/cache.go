package scrape

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// cache is what a Loop remembers of its target's last good page. Only the Loop uses it.
//
// Nearly all series of nearly all targets are in one state: the last good round has shown
// them once, at its own time. That state is here, once; specials have those that differ.
type cache struct {
	cfg    Config
	target labels.Labels
	sinks  []Sink
	report *report // whose series no page may show

	targetPairs []labels.Label // of target

	round    uint32 // of scrapes, failed ones included
	lines    lines
	specials []special // by line
	format   format    // of that page
	tail     []byte    // of that page, behind its last series
	keyed    bool      // its lines were read for start keys

	contentType   string // of the last page
	said          format // what that says
	tellsFamilies bool   // the last good page said something else of its families than the one before

	last int64 // time of the last sample of all but the specials, Unix milliseconds
	live bool  // and whether the sinks have one that asks for a staleness marker

	starts  map[startKey]int64 // start times that the page tells, Unix milliseconds
	builder *labels.Builder
	seed    maphash.Seed
	symbols *labels.SymbolTable
	scratch []byte
}

func newCache(target labels.Labels, cfg Config, sinks []Sink) *cache {
	c := &cache{
		cfg:     cfg,
		target:  target,
		sinks:   sinks,
		report:  newReport(target, sinks),
		last:    never,
		starts:  map[startKey]int64{},
		seed:    maphash.MakeSeed(),
		builder: labels.NewBuilder(labels.EmptyLabels()),
		symbols: labels.NewSymbolTable(),
	}
	target.Range(func(l labels.Label) { c.targetPairs = append(c.targetPairs, l) })
	return c
}

// miss is a round without a page.
func (c *cache) miss(at int64, out *blocks, r *reading) {
	c.round++
	c.fail(at, out, &r.old)
}

// fail ends a round that has brought no page, or one that does not count: everything that
// the last good one showed gets a staleness marker.
func (c *cache) fail(at int64, out *blocks, w *walker) {
	out.reset()
	next := 0
	w.reset(&c.lines, len(c.sinks))
	for i := 0; w.next(); i++ {
		if next < len(c.specials) && c.specials[next].line == i {
			c.specials[next].series.mark(w.encoded, at, out)
			next++
			continue
		}
		if w.flags&kept != 0 {
			s := series{last: c.last, live: c.live}
			s.mark(w.encoded, at, out)
		}
	}
	if c.live {
		c.live, c.last = false, max(c.last, at)
	}
}

// setApart gives every series a state of its own. It is for a round whose time is not after
// the last: the clock went back, and what is new in the round is ahead of what is old.
func (c *cache) setApart(w *walker) {
	var all []special
	next := 0
	w.reset(&c.lines, len(c.sinks))
	for i := 0; w.next(); i++ {
		switch {
		case next < len(c.specials) && c.specials[next].line == i:
			all = append(all, c.specials[next])
			next++
		case w.flags&kept != 0:
			all = append(all, special{line: i, series: &series{last: c.last, live: c.live}})
		}
	}
	c.specials = all
}

// commit makes what was read of a good page what is remembered. It keeps memory of its own
// that is not much larger than needed, and uses it again.
func (c *cache) commit(r *reading) {
	if r.diverged {
		c.lines.packed = fit(c.lines.packed, r.packed.packed)
		c.lines.restarts = fit(c.lines.restarts, r.packed.restarts)
		c.lines.n = r.packed.n
	}
	c.specials = fit(c.specials, r.specials)
	if string(c.tail) != string(r.tail) {
		c.tail = slices.Clone(r.tail)
	}
	c.format, c.keyed = r.format, r.keyed
	c.last, c.live = r.at, true
}

// fit returns a copy of now in old's memory, unless that is too small, or so large that it
// is better given back.
func fit[T any](old, now []T) []T {
	if n := len(now); cap(old) < n || cap(old) > n+n/4+64 {
		old = make([]T, 0, n+n/32)
	}
	clear(old[min(len(now), len(old)):]) // of pointers that nobody needs
	return append(old[:0], now...)
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

// appendSeries sets encoded to a label set as each sink sends it; empty where it drops it.
func appendSeries(encoded [][]byte, sinks []Sink, l labels.Labels) {
	for i, sink := range sinks {
		one, ok := sink.AppendLabels(encoded[i][:0], l)
		if !ok {
			one = encoded[i][:0]
		}
		encoded[i] = one
	}
}
