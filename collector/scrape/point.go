package scrape

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
)

// kind is what a series' samples are. A staleness marker is of the kind of the last one.
type kind uint8

const (
	floatSample kind = iota
	intHistogram
	floatHistogram
)

// point is what a page says of a series at one time: a value, or one of two histograms.
type point struct {
	time      int64 // Unix milliseconds
	timed     bool  // the time is the page's own
	value     float64
	histogram *histogram.Histogram
	float     *histogram.FloatHistogram
}

func (p *point) kind() kind {
	switch {
	case p.histogram != nil:
		return intHistogram
	case p.float != nil:
		return floatHistogram
	}
	return floatSample
}

// append appends the point as a field of a TimeSeries. start is 0 if it is not known.
func (p *point) append(dst []byte, start int64) []byte {
	if p.kind() == floatSample {
		return appendSample(dst, p.value, p.time, start)
	}
	return appendHistogram(dst, p.histogram, p.float, p.time, start)
}

// stale returns the staleness marker for a series whose samples are of kind k.
func (k kind) stale(at int64) point {
	nan := math.Float64frombits(value.StaleNaN)
	p := point{time: at, value: nan}
	switch k {
	case intHistogram:
		p.histogram = &histogram.Histogram{Sum: nan}
	case floatHistogram:
		p.float = &histogram.FloatHistogram{Sum: nan}
	}
	return p
}

// check returns why backends would not take a native histogram. One that is finer than
// they know is made as fine as they do, as Prometheus does.
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
