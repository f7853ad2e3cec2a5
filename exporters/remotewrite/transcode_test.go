package remotewrite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"lighter"
)

// said is the content of a request about a series, in either version.
type said struct {
	Labels     []string
	Samples    [][3]uint64 // bits of the value, time, start
	Exemplars  [][]string
	Histograms []string // encoded as in 2.0
	Metadata   lighter.Metadata
}

// startOf reads the field that 1.0 does not have. ok is false if there is anything else.
func startOf(unknown []byte, tag uint64) (start uint64, ok bool) {
	if len(unknown) == 0 {
		return 0, true
	}
	got, k := binary.Uvarint(unknown)
	start, n := binary.Uvarint(unknown[max(k, 0):])
	return start, got == tag && k > 0 && n > 0 && k+n == len(unknown)
}

// saysV1 decodes a block with the library. ok is false for a block that no scrape makes.
func saysV1(body []byte) (all []said, ok bool) {
	var req prompb.WriteRequest
	if req.Unmarshal(body) != nil {
		return nil, false
	}
	if again, err := req.Marshal(); err != nil || !bytes.Equal(again, body) || len(req.Metadata) > 0 || len(req.XXX_unrecognized) > 0 {
		return nil, false // not in the order in which fields are written
	}
	for _, ts := range req.Timeseries {
		var one said
		ok := len(ts.XXX_unrecognized) == 0
		for _, l := range ts.Labels {
			one.Labels = append(one.Labels, l.Name, l.Value)
			ok = ok && len(l.XXX_unrecognized) == 0
		}
		for _, s := range ts.Samples {
			start, known := startOf(s.XXX_unrecognized, tagSampleStart)
			one.Samples = append(one.Samples, [3]uint64{math.Float64bits(s.Value), uint64(s.Timestamp), start})
			ok = ok && known
		}
		for _, e := range ts.Exemplars {
			var l []string
			for _, one := range e.Labels {
				l = append(l, one.Name, one.Value)
				ok = ok && len(one.XXX_unrecognized) == 0
			}
			one.Exemplars = append(one.Exemplars, append(l, fmt.Sprint(math.Float64bits(e.Value), e.Timestamp)))
			ok = ok && len(e.XXX_unrecognized) == 0
		}
		for _, h := range ts.Histograms {
			raw, err := h.Marshal()
			one.Histograms = append(one.Histograms, string(raw))
			_, known := startOf(h.XXX_unrecognized, tagHistogramStart)
			ok = ok && known && err == nil
		}
		if !ok || len(one.Labels) == 0 {
			return nil, false
		}
		all = append(all, one)
	}
	return all, true
}

func saysV2(tb testing.TB, body []byte) (all []said) {
	tb.Helper()
	var req writev2.Request
	if err := req.Unmarshal(body); err != nil {
		tb.Fatalf("the request cannot be read: %v", err)
	}
	if len(req.XXX_unrecognized) > 0 {
		tb.Fatal("the request has fields that 2.0 does not know")
	}
	resolve := func(refs []uint32) (s []string) {
		for _, r := range refs {
			s = append(s, req.Symbols[r])
		}
		return s
	}
	for _, ts := range req.Timeseries {
		one := said{Labels: resolve(ts.LabelsRefs)}
		for _, s := range ts.Samples {
			one.Samples = append(one.Samples, [3]uint64{math.Float64bits(s.Value), uint64(s.Timestamp), uint64(s.StartTimestamp)})
		}
		for _, e := range ts.Exemplars {
			one.Exemplars = append(one.Exemplars, append(resolve(e.LabelsRefs), fmt.Sprint(math.Float64bits(e.Value), e.Timestamp)))
		}
		for _, h := range ts.Histograms {
			raw, err := h.Marshal()
			if err != nil {
				tb.Fatal(err)
			}
			one.Histograms = append(one.Histograms, string(raw))
		}
		m, err := ts.ToMetadata(req.Symbols)
		if err != nil {
			tb.Fatal(err)
		}
		if ts.Metadata.Type != 0 || m.Help != "" || m.Unit != "" {
			one.Metadata = lighter.Metadata{Type: m.Type, Help: m.Help, Unit: m.Unit}
		}
		all = append(all, one)
	}
	return all
}

// fullBlock returns a block with everything that it may contain, in each of n series.
func fullBlock(tb testing.TB, n int) []byte {
	tb.Helper()
	var req prompb.WriteRequest
	for i := range n {
		ts := prompb.TimeSeries{
			Labels:    []prompb.Label{{Name: "__name__", Value: "http_requests_total"}, {Name: "i", Value: fmt.Sprint(i)}, {Name: "job", Value: "api"}},
			Exemplars: []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: fmt.Sprint("t", i)}}, Value: 1, Timestamp: 3}},
		}
		if i%2 == 0 {
			ts.Samples = []prompb.Sample{{Value: float64(i), Timestamp: 1000, XXX_unrecognized: []byte{tagSampleStart, 7}}}
		} else {
			h := prompb.FromIntHistogram(1000, &histogram.Histogram{Count: 3, PositiveSpans: []histogram.Span{{Offset: -1, Length: 2}}, PositiveBuckets: []int64{1, 1}})
			h.XXX_unrecognized = binary.AppendUvarint(binary.AppendUvarint(nil, tagHistogramStart), 8)
			ts.Histograms = []prompb.Histogram{h}
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	b, err := req.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// FuzzTranscode compares both requests made from a block with the library's decoding of it, and with each
// other when they are split. No bytes cause a panic.
func FuzzTranscode(f *testing.F) {
	f.Add(fullBlock(f, 5))
	f.Add([]byte("\x0a\x00"))
	f.Add([]byte("\x0a\x04\x0a\x02\x0a\x00"))
	f.Add([]byte("\x0a\x09\x0a\x07\x0a\x03abc\x12\x00\x1a\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := newProtocol("", "", nil)
		q := requests{protocol: p, metadata: &metadata{}}
		items := []item{itemOf(lighter.Block{Body: body, StartTimes: true}), itemOf(lighter.Block{Body: body})}
		want, ok := saysV1(body)
		v2, err := q.make(items, true)
		if err != nil {
			if ok {
				t.Fatalf("2.0: %v", err)
			}
			return
		}
		if !ok {
			return
		}
		raw, err := snappy.Decode(nil, v2.Body)
		if err != nil {
			t.Fatal(err)
		}
		both := append(append([]said{}, want...), want...)
		if diff := cmp.Diff(both, append([]said{}, saysV2(t, raw)...)); diff != "" {
			t.Fatalf("2.0 (-want +got):\n%s", diff)
		}
		if a, b, err := p.Split(v2); err == nil {
			first, err1 := snappy.Decode(nil, a.Body)
			second, err2 := snappy.Decode(nil, b.Body)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if diff := cmp.Diff(both, append(saysV2(t, first), saysV2(t, second)...)); diff != "" {
				t.Fatalf("2.0, split (-want +got):\n%s", diff)
			}
		}
		plain, err := withoutStarts(nil, body)
		if err != nil {
			t.Fatalf("without start timestamps: %v", err)
		}
		got, _ := saysV1(plain)
		for i := range want {
			for j := range want[i].Samples {
				want[i].Samples[j][2] = 0
			}
			for j, h := range want[i].Histograms {
				want[i].Histograms[j] = string(withoutStart(t, []byte(h)))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("1.0 (-want +got):\n%s", diff)
		}
	})
}

func withoutStart(tb testing.TB, h []byte) []byte {
	var m writev2.Histogram
	if err := m.Unmarshal(h); err != nil {
		tb.Fatal(err)
	}
	m.StartTimestamp = 0
	b, err := m.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestSeriesMetadata(t *testing.T) {
	var md metadata
	md.remember([]lighter.Metadata{
		{Family: "requests", Type: "counter", Help: "c"}, {Family: "bytes_total", Type: "counter", Help: "b"},
		{Family: "latency", Type: "histogram", Unit: "seconds"}, {Family: "size", Type: "summary"}, {Family: "x_count", Type: "gauge", Help: "g"},
		{Family: "queue", Type: "gaugehistogram"}, {Family: "build", Type: "info"},
	})
	for name, family := range map[string]string{
		"requests_total": "requests", "requests_created": "requests", "requests": "requests", "requests_sum": "",
		"bytes_total": "bytes_total", "latency_bucket": "latency", "latency_count": "latency", "latency_sum": "latency", "latency": "latency", "latency_total": "",
		"size_sum": "size", "size_bucket": "", "size": "size", "x_count": "x_count", "x": "", "x_count_total": "", "queue_gsum": "queue", "queue_bucket": "queue", "build_info": "build",
		"": "", "_total": "", "total": "",
	} {
		if got, ok := md.of([]byte(name)); got.Family != family || ok != (family != "") {
			t.Errorf("%s is of family %q, want %q", name, got.Family, family)
		}
	}
}

// TestSymbols: the table finds its strings, even after it has grown and after a reset.
func TestSymbols(t *testing.T) {
	var s symbols
	for range 2 {
		s.reset()
		for range 2 {
			for i := range 5000 {
				if got := s.ref(fmt.Appendf(nil, "symbol %d", i)); got != uint32(i)+1 {
					t.Fatalf("symbol %d has the reference %d", i, got)
				}
			}
			if got := s.ref(nil); got != 0 {
				t.Fatalf("the empty string has the reference %d", got)
			}
		}
	}
	var req writev2.Request
	if err := req.Unmarshal(s.encoded); err != nil || len(req.Symbols) != 5001 || req.Symbols[0] != "" || req.Symbols[5000] != "symbol 4999" {
		t.Errorf("err = %v, %d symbols", err, len(req.Symbols))
	}
}

// TestTranscodeAllocs: a series of a request costs no allocation.
func TestTranscodeAllocs(t *testing.T) {
	q := requests{protocol: newProtocol("", "", nil), metadata: &metadata{}}
	items := []item{itemOf(lighter.Block{Body: fullBlock(t, 2000), Samples: 2000, StartTimes: true})}
	for name, v2 := range map[string]bool{"1.0": false, "2.0": true} {
		n := testing.AllocsPerRun(10, func() {
			if _, err := q.make(items, v2); err != nil {
				t.Fatal(err)
			}
		})
		if n > 100 { // the request's own memory, and under -race pools that forget
			t.Errorf("%s: %v allocations for 2000 series, want at most 100", name, n)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	for _, n := range []int{100, 2000} {
		body := fullBlock(b, n)
		for name, v2 := range map[string]bool{"1.0": false, "2.0": true} {
			b.Run(fmt.Sprintf("version=%s/samples=%d", name, n), func(b *testing.B) {
				q := requests{protocol: newProtocol("", "", nil), metadata: &metadata{}}
				items := []item{itemOf(lighter.Block{Body: body, Samples: n, StartTimes: true})}
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := q.make(items, v2); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
