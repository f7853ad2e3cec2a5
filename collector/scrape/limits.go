package scrape

import (
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// Check returns what is wrong with the configuration, apart from its times and HTTP settings, as far as it
// can tell without opening anything.
func (c Config) Check() error {
	seen := map[string]bool{}
	for _, p := range c.Protocols {
		switch {
		case offered[p] == "":
			return fmt.Errorf("there is no scrape protocol %q", p)
		case seen[p]:
			return fmt.Errorf("the scrape protocol %q is named twice", p)
		}
		seen[p] = true
	}
	if c.FallbackProtocol != "" && offered[c.FallbackProtocol] == "" {
		return fmt.Errorf("there is no scrape protocol %q to fall back to", c.FallbackProtocol)
	}
	for name, limit := range map[string]int{
		"samples": c.SampleLimit, "targets": c.TargetLimit, "labels": c.LabelLimit, "a label's name": c.LabelNameLimit,
		"a label's value": c.LabelValueLimit, "a histogram's buckets": c.NativeBucketLimit, "a page's bytes": int(c.BodyLimit),
	} {
		if limit < 0 {
			return fmt.Errorf("the limit of %s is %d, want 0 or more", name, limit)
		}
	}
	return nil
}

// labelError reports that a series exceeds a label limit.
type labelError struct{ error }

func (c *Config) limitsLabels() bool {
	return c.LabelLimit > 0 || c.LabelNameLimit > 0 || c.LabelValueLimit > 0
}

// checkLabels returns an error if the labels of a series exceed a limit.
func (c *Config) checkLabels(l labels.Labels) error {
	if !c.limitsLabels() {
		return nil
	}
	name := func() string { return printable([]byte(l.Get(model.MetricNameLabel))) }
	if c.LabelLimit > 0 && l.Len() > c.LabelLimit {
		return labelError{fmt.Errorf("a series of %s has %d labels, more than %d, the limit", name(), l.Len(), c.LabelLimit)}
	}
	return l.Validate(func(one labels.Label) error {
		switch {
		case c.LabelNameLimit > 0 && len(one.Name) > c.LabelNameLimit:
			return labelError{fmt.Errorf("a series of %s has a label name of %d bytes, more than %d, the limit", name(), len(one.Name), c.LabelNameLimit)}
		case c.LabelValueLimit > 0 && len(one.Value) > c.LabelValueLimit:
			return labelError{fmt.Errorf("a series of %s has a value of the label %s of %d bytes, more than %d, the limit",
				name(), printable([]byte(one.Name)), len(one.Value), c.LabelValueLimit)}
		}
		return nil
	})
}

// badLabels returns the failure of a page with a series whose labels cannot be sent.
func badLabels(err error) error {
	if errors.As(err, &labelError{}) {
		return &failure{resultLabelLimit, err}
	}
	return &failure{resultBadContent, err}
}

// limitHistogram makes a native histogram coarser until its buckets grow by NativeMinBucketFactor at least
// and there are no more than NativeBucketLimit of them. Either h or f is nil. It returns an error if the
// histogram cannot be made coarse enough.
func (c *Config) limitHistogram(h *histogram.Histogram, f *histogram.FloatHistogram) error {
	if c.NativeBucketLimit <= 0 && c.NativeMinBucketFactor <= 0 {
		return nil
	}
	schema, buckets, reduce := int32(0), func() int { return 0 }, func(int32) error { return nil }
	switch {
	case h != nil:
		schema, buckets, reduce = h.Schema, func() int { return len(h.PositiveBuckets) + len(h.NegativeBuckets) }, h.ReduceResolution
	case f != nil:
		schema, buckets, reduce = f.Schema, func() int { return len(f.PositiveBuckets) + len(f.NegativeBuckets) }, f.ReduceResolution
	}
	to := func(next int32) error {
		schema = next
		return reduce(next)
	}
	if most := finestSchema(c.NativeMinBucketFactor); histogram.IsExponentialSchemaReserved(schema) && schema > most {
		if err := to(most); err != nil {
			return err
		}
	}
	for limit := c.NativeBucketLimit; limit > 0 && buckets() > limit; {
		if !histogram.IsExponentialSchemaReserved(schema) || schema <= histogram.ExponentialSchemaMin {
			return fmt.Errorf("it has %d buckets, more than %d, the limit, and cannot be made coarser", buckets(), limit)
		}
		if err := to(schema - 1); err != nil {
			return err
		}
	}
	return nil
}

// finestSchema returns the finest schema whose buckets grow by at least factor.
func finestSchema(factor float64) int32 {
	if factor <= 1 {
		return histogram.ExponentialSchemaMax
	}
	schema := math.Floor(-math.Log2(math.Log2(factor)))
	return int32(min(max(schema, float64(histogram.ExponentialSchemaMin)), float64(histogram.ExponentialSchemaMax)))
}
