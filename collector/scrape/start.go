package scrape

import (
	"bytes"
	"hash/maphash"
	"math"
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

func (f *currentFamily) read(p textparse.Parser) {
	name, kind := p.Type()
	f.name, f.kind = append(f.name[:0], name...), kind
}

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
	hash, _ := l.HashWithoutLabels(nil, part)
	return startKey(maphash.Comparable(c.seed, struct {
		family string
		labels uint64
	}{string(f.name), hash})), suffix == createdSuffix
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
	var family currentFamily
	parser := r.newParser(0)
	for {
		entry, err := parser.Next()
		if err != nil {
			return // the end, or what the second reading will complain of
		}
		if entry == textparse.EntryType {
			family.read(parser)
		}
		if entry != textparse.EntrySeries || !family.counts() {
			continue
		}
		raw, _, seconds := parser.Series()
		if !bytes.Contains(raw, []byte(createdSuffix)) || len(raw) > maxSeriesText {
			continue
		}
		var l labels.Labels
		parser.Labels(&l)
		key, tells := c.startKeyOf(&family, l)
		if tells && seconds > 0 && seconds < maxSeconds {
			c.starts[key] = int64(seconds * 1000)
		}
	}
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
