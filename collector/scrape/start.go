package scrape

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// OpenMetrics tells when a metric began to count in a series of its own, <family>_created,
// that stands somewhere among the metric's other series. A page that has any is therefore
// read twice: first for these times, then as usual. (textparse's own StartTimestamp reads
// ahead for each series, which on an unlucky page is the square of its length.) In protobuf
// the time stands with the metric.

const (
	createdSuffix = "_created"
	maxSeconds    = math.MaxInt64 / 1000 // what milliseconds hold
)

// startKey identifies a metric of a page, which may be several series: its family and
// those labels that are not le or quantile. 0 is none.
type startKey uint64

// currentFamily is the TYPE line that the series which follow belong to.
type currentFamily struct {
	name []byte
	kind model.MetricType
}

func (f *currentFamily) reset() { f.name, f.kind = f.name[:0], "" }

// set takes a TYPE line.
func (f *currentFamily) set(m meta) { f.name, f.kind = append(f.name[:0], m.name...), m.kind }

// counts says whether what the family's metrics show is counted from a time on.
func (f *currentFamily) counts() bool {
	return f.kind == model.MetricTypeCounter || f.kind == model.MetricTypeHistogram || f.kind == model.MetricTypeSummary
}

// startKeyOf returns the metric that a series of family f with labels l belongs to, and
// whether the series is the one that tells its start.
func (c *cache) startKeyOf(f *currentFamily, l labels.Labels) (key startKey, tells bool) {
	suffix, ok := strings.CutPrefix(l.Get(model.MetricNameLabel), string(f.name))
	if !ok || !f.counts() {
		return 0, false
	}
	part := model.BucketLabel
	if f.kind == model.MetricTypeSummary {
		part = model.QuantileLabel
	}
	var hash uint64
	hash, c.scratch = l.HashWithoutLabels(c.scratch, part)
	c.scratch = append(binary.LittleEndian.AppendUint64(c.scratch[:0], hash), f.name...)
	return startKey(maphash.Bytes(c.seed, c.scratch)), suffix == createdSuffix
}

// readStarts reads the start times that a page tells. The first page that tells any makes
// all of its lines be read anew, for the metrics that they belong to.
func (r *reading) readStarts() {
	c := r.cache
	clear(c.starts)
	if !bytes.Contains(r.body, []byte(createdSuffix)) {
		return
	}
	if !r.keyed {
		r.keyed, r.trusted = true, false
	}
	family := &r.starting
	family.reset()
	for at, end := 0, 0; at < len(r.body); at = end {
		end = len(r.body)
		if i := bytes.IndexByte(r.body[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		switch line := r.body[at:end]; {
		case bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#")):
			if bytes.Contains(line, []byte("TYPE")) {
				r.readFamily(family, line)
			}
		case family.counts() && bytes.Contains(line, []byte(createdSuffix)):
			r.readStart(family, at, end)
		}
	}
}

// readFamily reads a line that may be a TYPE line.
func (r *reading) readFamily(f *currentFamily, line []byte) {
	m, size := readMeta(line, r.format)
	if size == 0 {
		p := r.newParser(slices.Clip(line))
		entry, err := p.Next()
		if err != nil {
			return // it is what the second reading will complain of, and likewise below
		}
		m = metaOf(p, entry)
	}
	if m.entry == textparse.EntryType {
		f.set(m)
	}
}

// readStart reads the line between two offsets, which may tell a start time.
func (r *reading) readStart(f *currentFamily, at, end int) {
	var l labels.Labels
	var one point
	series, ok := r.readSeries(at, 0)
	if ok {
		_, ok = r.readSample(series, &one)
		r.exemplars = r.exemplars[:0]
	}
	if ok {
		r.setOnPage(&l)
	} else if l, one.value, ok = r.parseStart(r.body[at:end:end]); !ok {
		return
	}
	key, tells := r.cache.startKeyOf(f, l)
	if tells && one.value > 0 && one.value < maxSeconds {
		r.cache.starts[key] = int64(one.value * 1000)
	}
}

func (r *reading) parseStart(line []byte) (l labels.Labels, v float64, ok bool) {
	p := r.newParser(line)
	if entry, err := p.Next(); err != nil || entry != textparse.EntrySeries {
		return l, 0, false
	}
	raw, _, v := p.Series()
	if len(raw) > maxSeriesText {
		return l, 0, false
	}
	p.Labels(&l)
	return l, v, true
}

// startOf returns since when the parser's sample has counted, Unix milliseconds, or 0 if
// that is not known or cannot be. own is nil for a series that has no state of its own.
func (r *reading) startOf(own *special, sampleTime int64) int64 {
	var start int64
	switch {
	case !r.cache.cfg.StartTimes:
	case r.format == protobufFormat:
		start = r.parser.StartTimestamp()
	case own != nil && own.start != 0 && !own.tellsStart:
		start = r.cache.starts[own.start]
	}
	if start < 0 || start > sampleTime {
		return 0
	}
	return start
}
