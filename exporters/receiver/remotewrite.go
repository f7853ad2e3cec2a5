package receiver

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"lighter"
)

// Sample is a time and a value.
type Sample struct {
	Time  int64 // Unix milliseconds
	Value float64
	Start int64 // since when the value has counted, if 2.0 contained that; otherwise 0
}

// Stale reports whether the sample is a staleness marker.
func (s Sample) Stale() bool { return value.IsStaleNaN(s.Value) }

// Histogram is a time and a native histogram, either an integer or a float histogram.
type Histogram struct {
	Time  int64
	Start int64
	Int   *histogram.Histogram
	Float *histogram.FloatHistogram
}

// Stale reports whether the histogram is a staleness marker.
func (h Histogram) Stale() bool {
	if h.Int != nil {
		return value.IsStaleNaN(h.Int.Sum)
	}
	return value.IsStaleNaN(h.Float.Sum)
}

// equal reports whether two histograms are the same, bit by bit.
func (h Histogram) equal(o Histogram) bool {
	if h.Time != o.Time || (h.Int == nil) != (o.Int == nil) {
		return false
	}
	if h.Int != nil {
		return h.Int.Equals(o.Int)
	}
	return h.Float.Equals(o.Float)
}

// Series is a label set and what was stored of it, in time order.
type Series struct {
	Labels     labels.Labels
	Samples    []Sample
	Histograms []Histogram
	Exemplars  []exemplar.Exemplar // in order of arrival, each once
}

// WriteStats counts requests of remote write.
type WriteStats struct {
	Requests   int // accepted completely or in part, without those that a hook handled
	RequestsV2 int // those that were 2.0
	Samples    int // stored, including histograms and staleness markers
	Histograms int // native histograms among them
	Stale      int // staleness markers among them
	Exemplars  int // stored
	Repeated   int // same time and value as a stored sample: sent twice, stored once
	OutOfOrder int // before the last sample of their series, or at the time of a stored one with another value; refused
}

// maxDecodedBytes limits the decompressed size of a request.
const maxDecodedBytes = 256 << 20

// DecodeWrite decodes the body of a remote write 1.0 request.
func DecodeWrite(body []byte) (*prompb.WriteRequest, error) {
	var req prompb.WriteRequest
	if err := decode(body, &req); err != nil {
		return nil, err
	}
	return &req, nil
}

// DecodeWriteV2 decodes the body of a remote write 2.0 request.
func DecodeWriteV2(body []byte) (*writev2.Request, error) {
	var req writev2.Request
	if err := decode(body, &req); err != nil {
		return nil, err
	}
	return &req, nil
}

func decode(body []byte, into proto.Message) error {
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return fmt.Errorf("snappy: %w", err)
	}
	if n > maxDecodedBytes {
		return fmt.Errorf("snappy: %d bytes uncompressed, at most %d are taken", n, maxDecodedBytes)
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return fmt.Errorf("snappy: %w", err)
	}
	if err := proto.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("protobuf: %w", err)
	}
	return nil
}

// Series returns copies of the series that match all matchers, sorted by labels.
func (s *Server) Series(matchers ...*labels.Matcher) []Series {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Series
	for _, one := range s.samples.series {
		if matchAll(one.Labels, matchers) {
			found = append(found, Series{one.Labels, slices.Clone(one.Samples), slices.Clone(one.Histograms), slices.Clone(one.Exemplars)})
		}
	}
	slices.SortFunc(found, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) })
	return found
}

// Metadata returns the last metadata of a metric family, and whether there is any. 1.0 sends it for
// families, and 2.0 for the metrics themselves, so that it is found by their names.
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

// handleWrite takes a remote-write request completely, refuses it completely if it violates the protocol,
// or takes all but the samples that are out of order, as Prometheus does.
func (s *Server) handleWrite(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, err error) {
		s.violated(err)
		http.Error(w, err.Error(), status)
	}
	isV2, status, err := checkWriteHeaders(r.Header)
	if err != nil {
		refuse(status, err)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	read := readV1
	if isV2 {
		read = readV2
	}
	in, err := read(body)
	if err != nil {
		refuse(http.StatusBadRequest, err)
		return
	}
	s.mu.Lock()
	written, err := s.samples.add(in)
	if isV2 {
		s.samples.stats.RequestsV2++
	}
	s.mu.Unlock()
	if isV2 {
		written.tell(w.Header())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// written holds the counts in a 2.0 receiver's response.
type written struct{ samples, histograms, exemplars int }

func (n written) tell(h http.Header) {
	h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(n.samples))
	h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(n.histograms))
	h.Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(n.exemplars))
}

// checkWriteHeaders returns which of the two messages the headers declare.
func checkWriteHeaders(h http.Header) (isV2 bool, status int, err error) {
	if got := h.Get("Content-Encoding"); got != "snappy" {
		return false, http.StatusUnsupportedMediaType, fmt.Errorf("Content-Encoding is %q, snappy is expected", got)
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	message := params["proto"]
	isV2 = message == "io.prometheus.write.v2.Request"
	if err != nil || kind != "application/x-protobuf" || message != "" && message != "prometheus.WriteRequest" && !isV2 {
		return false, http.StatusUnsupportedMediaType, fmt.Errorf("Content-Type is %q, application/x-protobuf is expected", h.Get("Content-Type"))
	}
	version := "0.1.0"
	if isV2 {
		version = "2.0.0"
	}
	if got := h.Get("X-Prometheus-Remote-Write-Version"); got != version {
		return false, http.StatusBadRequest, fmt.Errorf("X-Prometheus-Remote-Write-Version is %q, %s is expected", got, version)
	}
	if h.Get("User-Agent") == "" {
		return false, http.StatusBadRequest, fmt.Errorf("there is no User-Agent")
	}
	return isV2, 0, nil
}
