package receiver

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"

	"lighter"
)

// sampleStore stores what arrives by remote write; Server.mu guards it.
type sampleStore struct {
	series   map[string]*Series // by the bytes of their labels
	metadata map[string]lighter.Metadata
	stats    WriteStats
}

func newSampleStore() sampleStore {
	return sampleStore{series: map[string]*Series{}, metadata: map[string]lighter.Metadata{}}
}

// add stores the samples of a request that are in order. It returns their number, and an error that names
// the first sample that is not in order. Repeated samples count as written.
func (st *sampleStore) add(in *writeRequest) (n written, refused error) {
	st.stats.Requests++
	var key []byte
	for i := range in.series {
		from := &in.series[i]
		key = from.Labels.Bytes(key)
		to := st.series[string(key)]
		if to == nil {
			to = &Series{Labels: from.Labels}
			st.series[string(key)] = to
		}
		for _, s := range from.Samples {
			if err := st.addSample(to, s); err == nil {
				n.samples++
			} else if refused == nil {
				refused = err
			}
		}
		for _, h := range from.Histograms {
			if err := st.addHistogram(to, h); err == nil {
				n.histograms++
			} else if refused == nil {
				refused = err
			}
		}
		for _, e := range from.Exemplars {
			st.addExemplar(to, e)
			n.exemplars++
		}
	}
	for _, m := range in.metadata {
		st.metadata[m.Family] = m
	}
	return n, refused
}

func (st *sampleStore) addSample(to *Series, s Sample) error {
	at, held := slices.BinarySearchFunc(to.Samples, s.Time, func(s Sample, t int64) int { return cmp.Compare(s.Time, t) })
	if held && math.Float64bits(to.Samples[at].Value) == math.Float64bits(s.Value) {
		st.stats.Repeated++
		return nil
	}
	if err := st.inOrder(to, s.Time, held); err != nil {
		return err
	}
	to.Samples = append(to.Samples, s)
	st.kept(s.Stale())
	return nil
}

func (st *sampleStore) addHistogram(to *Series, h Histogram) error {
	at, held := slices.BinarySearchFunc(to.Histograms, h.Time, func(h Histogram, t int64) int { return cmp.Compare(h.Time, t) })
	if held && to.Histograms[at].equal(h) {
		st.stats.Repeated++
		return nil
	}
	if err := st.inOrder(to, h.Time, held); err != nil {
		return err
	}
	to.Histograms = append(to.Histograms, h)
	st.stats.Histograms++
	st.kept(h.Stale())
	return nil
}

func (st *sampleStore) kept(stale bool) {
	st.stats.Samples++
	if stale {
		st.stats.Stale++
	}
}

// inOrder returns an error for a sample that is not after all of the series' samples. held reports that the
// series has another value at that time.
func (st *sampleStore) inOrder(to *Series, t int64, held bool) error {
	last := int64(math.MinInt64)
	if n := len(to.Samples); n > 0 {
		last = to.Samples[n-1].Time
	}
	if n := len(to.Histograms); n > 0 {
		last = max(last, to.Histograms[n-1].Time)
	}
	switch {
	case t > last:
		return nil
	case held || t == last:
		st.stats.OutOfOrder++
		return fmt.Errorf("duplicate sample for timestamp %d: series %s", t, to.Labels)
	}
	st.stats.OutOfOrder++
	return fmt.Errorf("out of order sample at %d: series %s", t, to.Labels)
}

func (st *sampleStore) addExemplar(to *Series, e exemplar.Exemplar) {
	if slices.ContainsFunc(to.Exemplars, e.Equals) {
		return
	}
	to.Exemplars = append(to.Exemplars, e)
	st.stats.Exemplars++
}
