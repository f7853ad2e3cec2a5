package receiver

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"lighter"
)

// writeRequest is a decoded and validated request of either version.
type writeRequest struct {
	series   []Series
	metadata []lighter.Metadata // for 2.0, Family is the name of a metric
}

// label is a name and a value as received.
type label struct{ name, value string }

func readV1(body []byte) (*writeRequest, error) {
	req, err := DecodeWrite(body)
	if err != nil {
		return nil, err
	}
	if len(req.XXX_unrecognized) > 0 {
		return nil, errors.New("the request has fields that 1.0 does not know")
	}
	in := &writeRequest{}
	for i := range req.Timeseries {
		one, err := readSeriesV1(&req.Timeseries[i])
		if err != nil {
			return nil, fmt.Errorf("series %d of %d: %w", i+1, len(req.Timeseries), err)
		}
		in.series = append(in.series, one)
	}
	for _, m := range req.Metadata {
		in.metadata = append(in.metadata, lighter.Metadata{
			Family: m.MetricFamilyName,
			Type:   model.MetricType(strings.ToLower(m.Type.String())),
			Help:   m.Help,
			Unit:   m.Unit,
		})
	}
	return in, nil
}

func readSeriesV1(ts *prompb.TimeSeries) (one Series, err error) {
	foreign := len(ts.XXX_unrecognized)
	if one.Labels, err = readLabels(labelsV1(ts.Labels), true); err != nil {
		return one, err
	}
	for _, s := range ts.Samples {
		foreign += len(s.XXX_unrecognized)
		one.Samples = append(one.Samples, Sample{Time: s.Timestamp, Value: s.Value})
	}
	for _, h := range ts.Histograms {
		foreign += len(h.XXX_unrecognized)
		got := Histogram{Time: h.Timestamp, Int: h.ToIntHistogram()}
		if got.Int == nil {
			got.Float = h.ToFloatHistogram()
		}
		one.Histograms = append(one.Histograms, got)
	}
	for _, e := range ts.Exemplars {
		foreign += len(e.XXX_unrecognized)
		l, err := readLabels(labelsV1(e.Labels), false)
		if err != nil {
			return one, fmt.Errorf("exemplar: %w", err)
		}
		one.Exemplars = append(one.Exemplars, exemplar.Exemplar{Labels: l, Value: e.Value, Ts: e.Timestamp, HasTs: true})
	}
	if foreign > 0 {
		return one, errors.New("it has fields that 1.0 does not know")
	}
	return one, one.check()
}

func labelsV1(in []prompb.Label) []label {
	var all []label
	for _, l := range in {
		all = append(all, label{l.Name, l.Value})
	}
	return all
}

func readV2(body []byte) (*writeRequest, error) {
	req, err := DecodeWriteV2(body)
	if err != nil {
		return nil, err
	}
	if len(req.XXX_unrecognized) > 0 {
		return nil, errors.New("the request has fields that 2.0 does not know")
	}
	if err := checkSymbols(req.Symbols); err != nil {
		return nil, err
	}
	in := &writeRequest{}
	for i := range req.Timeseries {
		ts := &req.Timeseries[i]
		one, err := readSeriesV2(ts, req.Symbols)
		if err != nil {
			return nil, fmt.Errorf("series %d of %d: %w", i+1, len(req.Timeseries), err)
		}
		in.series = append(in.series, one)
		m, err := ts.ToMetadata(req.Symbols)
		if err != nil {
			return nil, fmt.Errorf("series %d of %d: %w", i+1, len(req.Timeseries), err)
		}
		if ts.Metadata.Type != writev2.Metadata_METRIC_TYPE_UNSPECIFIED || m.Help != "" || m.Unit != "" {
			in.metadata = append(in.metadata, lighter.Metadata{Family: one.Labels.Get(model.MetricNameLabel), Type: m.Type, Help: m.Help, Unit: m.Unit})
		}
	}
	return in, nil
}

func checkSymbols(symbols []string) error {
	if len(symbols) == 0 || symbols[0] != "" {
		return errors.New("the symbols do not start with the empty string")
	}
	seen := make(map[string]struct{}, len(symbols))
	for _, s := range symbols {
		if _, twice := seen[s]; twice {
			return fmt.Errorf("symbol %q is there twice", s)
		}
		seen[s] = struct{}{}
	}
	return nil
}

func readSeriesV2(ts *writev2.TimeSeries, symbols []string) (one Series, err error) {
	foreign := len(ts.XXX_unrecognized)
	own, err := labelsV2(ts.LabelsRefs, symbols)
	if err != nil {
		return one, err
	}
	if one.Labels, err = readLabels(own, true); err != nil {
		return one, err
	}
	if len(ts.Samples) > 0 && len(ts.Histograms) > 0 {
		return one, errors.New("it has samples and histograms")
	}
	for _, s := range ts.Samples {
		foreign += len(s.XXX_unrecognized)
		one.Samples = append(one.Samples, Sample{Time: s.Timestamp, Value: s.Value, Start: s.StartTimestamp})
	}
	for _, h := range ts.Histograms {
		foreign += len(h.XXX_unrecognized)
		got := Histogram{Time: h.Timestamp, Start: h.StartTimestamp, Int: h.ToIntHistogram()}
		if got.Int == nil {
			got.Float = h.ToFloatHistogram()
		}
		one.Histograms = append(one.Histograms, got)
	}
	for _, e := range ts.Exemplars {
		foreign += len(e.XXX_unrecognized)
		own, err := labelsV2(e.LabelsRefs, symbols)
		if err != nil {
			return one, fmt.Errorf("exemplar: %w", err)
		}
		l, err := readLabels(own, false)
		if err != nil {
			return one, fmt.Errorf("exemplar: %w", err)
		}
		one.Exemplars = append(one.Exemplars, exemplar.Exemplar{Labels: l, Value: e.Value, Ts: e.Timestamp, HasTs: true})
	}
	if foreign > 0 {
		return one, errors.New("it has fields that 2.0 does not know")
	}
	return one, one.check()
}

func labelsV2(refs []uint32, symbols []string) ([]label, error) {
	if len(refs)%2 != 0 {
		return nil, fmt.Errorf("it has %d references of labels, an even number is expected", len(refs))
	}
	var all []label
	for pair := range slices.Chunk(refs, 2) {
		for _, ref := range pair {
			if int(ref) >= len(symbols) {
				return nil, fmt.Errorf("reference %d of a label is outside of the %d symbols", ref, len(symbols))
			}
		}
		all = append(all, label{symbols[pair[0]], symbols[pair[1]]})
	}
	return all, nil
}

// readLabels checks the labels of a series, or otherwise of an exemplar, against the specifications.
func readLabels(in []label, ofSeries bool) (labels.Labels, error) {
	b := labels.NewScratchBuilder(len(in))
	name := ""
	for i, l := range in {
		switch {
		case l.name == model.MetricNameLabel && !model.LegacyValidation.IsValidMetricName(l.value):
			return b.Labels(), fmt.Errorf("metric name %q is not valid", l.value)
		case !model.LegacyValidation.IsValidLabelName(l.name):
			return b.Labels(), fmt.Errorf("label name %q is not valid", l.name)
		case l.value == "":
			return b.Labels(), fmt.Errorf("label %s is empty", l.name)
		case !model.LabelValue(l.value).IsValid():
			return b.Labels(), fmt.Errorf("value of label %s is not UTF-8", l.name)
		case i > 0 && l.name == in[i-1].name:
			return b.Labels(), fmt.Errorf("label %s is there twice", l.name)
		case i > 0 && l.name < in[i-1].name:
			return b.Labels(), fmt.Errorf("label %s comes after %s: not sorted", l.name, in[i-1].name)
		}
		if l.name == model.MetricNameLabel {
			name = l.value
		}
		b.Add(l.name, l.value)
	}
	switch {
	case ofSeries && len(in) == 0:
		return b.Labels(), errors.New("it has no labels")
	case ofSeries && name == "":
		return b.Labels(), errors.New("it has no __name__")
	}
	return b.Labels(), nil
}

// check checks everything but the labels against the specifications.
func (s *Series) check() error {
	name := s.Labels.Get(model.MetricNameLabel)
	if len(s.Samples) == 0 && len(s.Histograms) == 0 {
		return fmt.Errorf("%s has no sample", name)
	}
	if !slices.IsSortedFunc(s.Samples, func(a, b Sample) int { return cmp.Compare(a.Time, b.Time) }) ||
		!slices.IsSortedFunc(s.Histograms, func(a, b Histogram) int { return cmp.Compare(a.Time, b.Time) }) {
		return fmt.Errorf("%s has samples that are not in time order", name)
	}
	for _, one := range s.Samples {
		if one.Start < 0 || one.Start > one.Time {
			return fmt.Errorf("%s has a sample at %d that starts at %d", name, one.Time, one.Start)
		}
	}
	for _, h := range s.Histograms {
		if h.Start < 0 || h.Start > h.Time {
			return fmt.Errorf("%s has a histogram at %d that starts at %d", name, h.Time, h.Start)
		}
		if err := h.check(); err != nil {
			return fmt.Errorf("histogram %s: %w", name, err)
		}
	}
	for _, e := range s.Exemplars {
		if e.Ts == 0 {
			return fmt.Errorf("%s has an exemplar without a time", name)
		}
	}
	return nil
}

func (h Histogram) check() error {
	switch {
	case h.Stale():
		return nil
	case h.Int != nil:
		return h.Int.Validate()
	}
	return h.Float.Validate()
}
