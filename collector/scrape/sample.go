package scrape

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"

	"lighter/collector/scrape/memo"
)

// maxAhead is how far in the future a target's own timestamps may be, as in Prometheus: a timestamp that is
// years ahead would make all later samples of its series out of order.
const maxAhead = 10 * time.Minute

// point is a page's sample of a series at one time: a value, or one of two kinds of histograms.
type point struct {
	time      int64 // Unix milliseconds
	timed     bool  // time is the page's own timestamp
	value     float64
	histogram *histogram.Histogram
	float     *histogram.FloatHistogram
}

// count counts a sample that is kept.
func (r *reader) count() error {
	r.kept++
	if limit := r.cfg.SampleLimit; limit > 0 && r.kept > limit {
		return failf(resultSampleLimit, "its page has more than %d samples, the limit", limit)
	}
	return nil
}

// take takes the parser's sample. own is nil or has no state if the series is in the common state or new.
func (r *reader) take(own *memo.Exception, isNew bool, raw []byte, encoded [][]byte, one *point) error {
	if err := r.count(); err != nil {
		return err
	}
	if !one.timed {
		one.time = r.at
	}
	if one.kind() != memo.Float && !(one.timed && r.tooFarAhead(one.time)) {
		if err := one.check(); err != nil {
			return failf(resultBadContent, "its page is broken: histogram %s: %w", printable(metricName(raw)), err)
		}
	}
	ordinary := own == nil || own.State == nil && own.Start == 0
	if ordinary && !one.timed && one.kind() == memo.Float && len(r.exemplars) == 0 && r.startOf(own, one.time) == 0 {
		r.out.addOrdinary(encoded, one.value)
		return nil
	}
	r.takeException(own, isNew, encoded, one)
	return nil
}

func (r *reader) tooFarAhead(t int64) bool { return t > r.at+maxAhead.Milliseconds() }

// takeException takes a sample, with its exemplars, of a series that has a state of its own or gets one.
func (r *reader) takeException(own *memo.Exception, isNew bool, encoded [][]byte, one *point) {
	if !one.timed {
		one.time = r.at
	}
	e := r.last.Change(own, isNew)
	again := r.last.See(e.State)
	if one.timed && r.tooFarAhead(one.time) {
		r.ahead++
	} else {
		r.takePoint(&e, again, encoded, one)
	}
	r.last.Keep(e)
}

// takePoint appends a point unless its series already has a sample with that time or a later one. again
// reports that this page has shown the series before.
func (r *reader) takePoint(own *memo.Exception, again bool, encoded [][]byte, one *point) {
	s := own.State
	if one.time > s.Last {
		s.Last = one.time
		s.Live = !one.timed || r.cfg.TrackStaleness // a target that sets timestamps does not say how long a sample is valid
		s.Kind = one.kind()
		start := r.startOf(own, one.time)
		r.out.point = one.append(r.out.point[:0], start)
		bare := len(r.out.point)
		r.addExemplars(s, one)
		r.out.addPoint(encoded, s.Kind, bare, start != 0)
		return
	}
	switch {
	case again:
		r.duplicate++
	case one.time < s.Last:
		r.outOfOrder++
	case !one.timed:
		r.duplicate++
	} // otherwise the target still shows the sample that was sent
}

func (p *point) kind() memo.Kind {
	switch {
	case p.histogram != nil:
		return memo.IntHistogram
	case p.float != nil:
		return memo.FloatHistogram
	}
	return memo.Float
}

// append appends the point as a field of a TimeSeries. start is 0 if it is unknown.
func (p *point) append(dst []byte, start int64) []byte {
	if p.kind() == memo.Float {
		return appendSample(dst, p.value, p.time, start)
	}
	return appendHistogram(dst, p.histogram, p.float, p.time, start)
}

// markStale appends a staleness marker for a series if one is due, once.
func (b *blocks) markStale(encoded [][]byte, s *memo.State, at int64) {
	if !s.Live {
		return
	}
	s.Live = false
	if at <= s.Last {
		return // the clock went back; backends would refuse the marker
	}
	s.Last = at
	marker := staleMarker(s.Kind, at)
	b.point = marker.append(b.point[:0], 0)
	b.addPoint(encoded, s.Kind, len(b.point), false)
}

// staleMarker returns the staleness marker for a series with samples of the given kind.
func staleMarker(k memo.Kind, at int64) point {
	nan := math.Float64frombits(value.StaleNaN)
	p := point{time: at, value: nan}
	switch k {
	case memo.IntHistogram:
		p.histogram = &histogram.Histogram{Sum: nan}
	case memo.FloatHistogram:
		p.float = &histogram.FloatHistogram{Sum: nan}
	}
	return p
}

// check returns an error if backends would not accept a native histogram. As in Prometheus, it reduces a
// resolution that is too fine for them.
func (p *point) check() error {
	const finest = histogram.ExponentialSchemaMax
	schema := int32(0)
	if p.histogram != nil {
		schema = p.histogram.Schema
	} else {
		schema = p.float.Schema
	}
	if schema < histogram.ExponentialSchemaMin || schema > histogram.ExponentialSchemaMaxReserved {
		return fmt.Errorf("schema %d is not known", schema)
	}
	if p.histogram != nil {
		if schema > finest {
			if err := p.histogram.ReduceResolution(finest); err != nil {
				return err
			}
		}
		return p.histogram.Validate()
	}
	if schema > finest {
		if err := p.float.ReduceResolution(finest); err != nil {
			return err
		}
	}
	return p.float.Validate()
}
