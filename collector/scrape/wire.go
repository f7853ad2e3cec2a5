package scrape

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// The functions below append fields of a prompb TimeSeries. Samples are the hot path and encoded by hand.
// The library encodes exemplars and histograms, whose parsing costs far more.

// appendSample appends a samples field. start is 0 if it is unknown; then the message is that of remote
// write 1.0. Otherwise it is that of 2.0, which adds a field for start.
func appendSample(dst []byte, v float64, t, start int64) []byte {
	head := len(dst)
	dst = append(dst, 2<<3|2, 0)
	if bits := math.Float64bits(v); bits != 0 { // proto3 omits zero, but not negative zero
		dst = append(dst, 1<<3|1)
		dst = binary.LittleEndian.AppendUint64(dst, bits)
	}
	dst = appendTime(dst, t)
	if start != 0 {
		dst = append(dst, 3<<3|0)
		dst = binary.AppendUvarint(dst, uint64(start))
	}
	dst[head+1] = byte(len(dst) - head - 2) // 31 at most
	return dst
}

// appendTime appends the timestamp field of a sample.
func appendTime(dst []byte, t int64) []byte {
	if t == 0 {
		return dst
	}
	return binary.AppendUvarint(append(dst, 2<<3|0), uint64(t))
}

// appendHistogram appends a histograms field, with an integer histogram or else a float histogram. The
// messages of remote write 1.0 and 2.0 are the same except for start, which only 2.0 has.
func appendHistogram(dst []byte, h *histogram.Histogram, fh *histogram.FloatHistogram, t, start int64) []byte {
	var m writev2.Histogram
	if h != nil {
		m = writev2.FromIntHistogram(start, t, h)
	} else {
		m = writev2.FromFloatHistogram(start, t, fh)
	}
	return appendMessage(dst, 4<<3|2, &m)
}

// appendExemplar appends an exemplars field.
func appendExemplar(dst []byte, e exemplar.Exemplar) []byte {
	return appendMessage(dst, 3<<3|2, &prompb.Exemplar{Labels: prompb.FromLabels(e.Labels, nil), Value: e.Value, Timestamp: e.Ts})
}

type message interface {
	Size() int
	MarshalToSizedBuffer([]byte) (int, error)
}

func appendMessage(dst []byte, tag byte, m message) []byte {
	size := m.Size()
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(size))
	head := len(dst)
	dst = slices.Grow(dst, size)[:head+size]
	_, _ = m.MarshalToSizedBuffer(dst[head:]) // only messages with custom interfaces can fail
	return dst
}
