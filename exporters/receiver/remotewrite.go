package receiver

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
)

// Sample is a time and a value.
type Sample struct {
	Time  int64 // Unix milliseconds
	Value float64
}

// Stale says whether the sample is a staleness marker.
func (s Sample) Stale() bool { return value.IsStaleNaN(s.Value) }

// Series is a label set and its samples in time order.
type Series struct {
	Labels  labels.Labels
	Samples []Sample
}

// WriteStats counts what came by remote write.
type WriteStats struct {
	Requests   int // accepted or in part refused; not those that a hook answered
	Samples    int // kept, staleness markers among them
	Stale      int // markers
	Repeated   int // time and value equal to those of a kept sample: sent twice, kept once
	OutOfOrder int // before the last sample of their series, or at a kept time with another value; refused
}

// maxDecodedBytes bounds what one request may decompress to.
const maxDecodedBytes = 256 << 20

// DecodeWrite reads the body of a remote-write request as it came over the network.
func DecodeWrite(body []byte) (*prompb.WriteRequest, error) {
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	if n > maxDecodedBytes {
		return nil, fmt.Errorf("snappy: %d bytes uncompressed, at most %d are taken", n, maxDecodedBytes)
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	var req prompb.WriteRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		return nil, fmt.Errorf("protobuf: %w", err)
	}
	return &req, nil
}

// Series returns copies of the series that all matchers match, sorted by their labels.
func (s *Server) Series(matchers ...*labels.Matcher) []Series {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Series
	for _, one := range s.samples.series {
		if matchAll(one.Labels, matchers) {
			found = append(found, Series{one.Labels, slices.Clone(one.Samples)})
		}
	}
	slices.SortFunc(found, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) })
	return found
}

// Metadata returns what was last said of a metric family, and whether anything was.
func (s *Server) Metadata(family string) (lighter.Metadata, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.samples.metadata[family]
	return m, ok
}

// WriteStats returns the counts so far.
func (s *Server) WriteStats() WriteStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.samples.stats
}

func matchAll(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// handleWrite takes a remote-write request: whole, or refused whole when it breaks the
// protocol, or all but the samples that are out of order, as Prometheus does.
func (s *Server) handleWrite(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, err error) {
		s.violated(err)
		http.Error(w, err.Error(), status)
	}
	if status, err := checkWriteHeaders(r.Header); err != nil {
		refuse(status, err)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	req, err := DecodeWrite(body)
	if err != nil {
		refuse(http.StatusBadRequest, err)
		return
	}
	for i := range req.Timeseries {
		if err := checkSeries(&req.Timeseries[i]); err != nil {
			refuse(http.StatusBadRequest, fmt.Errorf("series %d of %d: %w", i+1, len(req.Timeseries), err))
			return
		}
	}
	s.mu.Lock()
	err = s.samples.add(req)
	s.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func checkWriteHeaders(h http.Header) (status int, err error) {
	if got := h.Get("Content-Encoding"); got != "snappy" {
		return http.StatusUnsupportedMediaType, fmt.Errorf("Content-Encoding is %q, snappy is expected", got)
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if message := params["proto"]; err != nil || kind != "application/x-protobuf" || message != "" && message != "prometheus.WriteRequest" {
		return http.StatusUnsupportedMediaType, fmt.Errorf("Content-Type is %q, application/x-protobuf is expected", h.Get("Content-Type"))
	}
	if got := h.Get("X-Prometheus-Remote-Write-Version"); got != "0.1.0" {
		return http.StatusBadRequest, fmt.Errorf("X-Prometheus-Remote-Write-Version is %q, 0.1.0 is expected", got)
	}
	if h.Get("User-Agent") == "" {
		return http.StatusBadRequest, errors.New("there is no User-Agent")
	}
	return 0, nil
}

// checkSeries says what the specification forbids in one TimeSeries.
func checkSeries(ts *prompb.TimeSeries) error {
	if len(ts.Labels) == 0 {
		return errors.New("it has no labels")
	}
	name := ""
	for i, l := range ts.Labels {
		switch {
		case l.Name == model.MetricNameLabel && !model.LegacyValidation.IsValidMetricName(l.Value):
			return fmt.Errorf("metric name %q is not valid", l.Value)
		case !model.LegacyValidation.IsValidLabelName(l.Name):
			return fmt.Errorf("label name %q is not valid", l.Name)
		case l.Value == "":
			return fmt.Errorf("label %s is empty", l.Name)
		case !model.LabelValue(l.Value).IsValid():
			return fmt.Errorf("value of label %s is not UTF-8", l.Name)
		case i > 0 && l.Name == ts.Labels[i-1].Name:
			return fmt.Errorf("label %s is there twice", l.Name)
		case i > 0 && l.Name < ts.Labels[i-1].Name:
			return fmt.Errorf("label %s comes after %s: not sorted", l.Name, ts.Labels[i-1].Name)
		}
		if l.Name == model.MetricNameLabel {
			name = l.Value
		}
	}
	if name == "" {
		return errors.New("it has no __name__")
	}
	if len(ts.Samples) == 0 && len(ts.Histograms) == 0 {
		return fmt.Errorf("%s has no sample", name)
	}
	for i := 1; i < len(ts.Samples); i++ {
		if ts.Samples[i].Timestamp < ts.Samples[i-1].Timestamp {
			return fmt.Errorf("%s has samples that are not in time order", name)
		}
	}
	return nil
}

// sampleStore is the remote-write half's memory; Server.mu guards it.
type sampleStore struct {
	series   map[string]*Series // by the labels' bytes
	metadata map[string]lighter.Metadata
	stats    WriteStats
}

func newSampleStore() sampleStore {
	return sampleStore{series: map[string]*Series{}, metadata: map[string]lighter.Metadata{}}
}

// add keeps the samples of a checked request that are in order, and returns an error that
// names the first one that is not.
func (st *sampleStore) add(req *prompb.WriteRequest) error {
	st.stats.Requests++
	var refused error
	var b labels.ScratchBuilder
	var key []byte
	for _, ts := range req.Timeseries {
		l := ts.ToLabels(&b, nil)
		key = l.Bytes(key)
		one := st.series[string(key)]
		if one == nil {
			one = &Series{Labels: l}
			st.series[string(key)] = one
		}
		for _, sample := range ts.Samples {
			if err := st.addSample(one, Sample{sample.Timestamp, sample.Value}); err != nil && refused == nil {
				refused = err
			}
		}
	}
	for _, m := range req.Metadata {
		st.metadata[m.MetricFamilyName] = lighter.Metadata{
			Family: m.MetricFamilyName,
			Type:   model.MetricType(strings.ToLower(m.Type.String())),
			Help:   m.Help,
			Unit:   m.Unit,
		}
	}
	return refused
}

func (st *sampleStore) addSample(one *Series, sample Sample) error {
	at, held := slices.BinarySearchFunc(one.Samples, sample.Time, func(s Sample, t int64) int { return cmp.Compare(s.Time, t) })
	switch {
	case held && math.Float64bits(one.Samples[at].Value) == math.Float64bits(sample.Value):
		st.stats.Repeated++
		return nil
	case held:
		st.stats.OutOfOrder++
		return fmt.Errorf("duplicate sample for timestamp %d: series %s", sample.Time, one.Labels)
	case at < len(one.Samples):
		st.stats.OutOfOrder++
		return fmt.Errorf("out of order sample at %d: series %s", sample.Time, one.Labels)
	}
	one.Samples = append(one.Samples, sample)
	st.stats.Samples++
	if sample.Stale() {
		st.stats.Stale++
	}
	return nil
}
