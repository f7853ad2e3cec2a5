package receiver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"lighter"
	"lighter/exporters/receiver"
)

func asV2(h http.Header) {
	h.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	h.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
}

func writeV2Body(tb testing.TB, req *writev2.Request) []byte {
	tb.Helper()
	b, err := req.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

func testHistogram(count int64) *histogram.Histogram {
	return &histogram.Histogram{Schema: 2, Count: uint64(count), Sum: 4, PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}}, PositiveBuckets: []int64{count}}
}

func TestWriteV2Refuses(t *testing.T) {
	symbols := []string{"", "__name__", "up", "a", "b"}
	up := []uint32{1, 2}
	one := []writev2.Sample{{Value: 1, Timestamp: 5}}
	of := func(symbols []string, ts ...writev2.TimeSeries) []byte {
		return writeV2Body(t, &writev2.Request{Symbols: symbols, Timeseries: ts})
	}
	for name, tc := range map[string]struct {
		body []byte
		text string
	}{
		"no protobuf":             {snappy.Encode(nil, []byte("hello")), "protobuf: "},
		"1.0":                     {writeBody(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{series([]string{"__name__", "up"}, 1)}}), "the request has fields that 2.0 does not know"},
		"no symbols":              {of(nil), "the symbols do not start with the empty string"},
		"symbols without empty":   {of([]string{"a"}), "the symbols do not start with the empty string"},
		"symbols twice":           {of([]string{"", "a", "a"}), `symbol "a" is there twice`},
		"odd references":          {of(symbols, writev2.TimeSeries{LabelsRefs: []uint32{1, 2, 3}, Samples: one}), "series 1 of 1: it has 3 references of labels, an even number is expected"},
		"reference outside":       {of(symbols, writev2.TimeSeries{LabelsRefs: []uint32{1, 5}, Samples: one}), "series 1 of 1: reference 5 of a label is outside of the 5 symbols"},
		"not sorted":              {of(symbols, writev2.TimeSeries{LabelsRefs: []uint32{3, 4, 1, 2}, Samples: one}), "series 1 of 1: label __name__ comes after a: not sorted"},
		"nothing":                 {of(symbols, writev2.TimeSeries{LabelsRefs: up}), "series 1 of 1: up has no sample"},
		"exemplars alone":         {of(symbols, writev2.TimeSeries{LabelsRefs: up, Exemplars: []writev2.Exemplar{{Value: 1, Timestamp: 1}}}), "series 1 of 1: up has no sample"},
		"samples and histograms":  {of(symbols, writev2.TimeSeries{LabelsRefs: up, Samples: one, Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, 1, testHistogram(1))}}), "series 1 of 1: it has samples and histograms"},
		"exemplar without time":   {of(symbols, writev2.TimeSeries{LabelsRefs: up, Samples: one, Exemplars: []writev2.Exemplar{{Value: 1}}}), "series 1 of 1: up has an exemplar without a time"},
		"exemplar's labels":       {of(symbols, writev2.TimeSeries{LabelsRefs: up, Samples: one, Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{3}, Timestamp: 1}}}), "series 1 of 1: exemplar: it has 1 references"},
		"starts after its time":   {of(symbols, writev2.TimeSeries{LabelsRefs: up, Samples: []writev2.Sample{{Timestamp: 5, StartTimestamp: 6}}}), "series 1 of 1: up has a sample at 5 that starts at 6"},
		"metadata outside":        {of(symbols, writev2.TimeSeries{LabelsRefs: up, Samples: one, Metadata: writev2.Metadata{HelpRef: 9}}), "series 1 of 1: metadata help_ref 9"},
		"histogram that is wrong": {of(symbols, writev2.TimeSeries{LabelsRefs: up, Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, 1, &histogram.Histogram{Count: 7})}}), "series 1 of 1: histogram up: 0 observations found in buckets"},
	} {
		t.Run(name, func(t *testing.T) {
			s := receiver.New(receiver.Options{})
			status, text := write(s, tc.body, asV2)
			if status != 400 || !strings.HasPrefix(text, tc.text) {
				t.Errorf("%d %q, want 400 %q", status, text, tc.text)
			}
			if v := s.Violations(); len(v) != 1 || !strings.HasPrefix(v[0], tc.text) {
				t.Errorf("violations %q", v)
			}
			if st := s.WriteStats(); st != (receiver.WriteStats{}) {
				t.Errorf("something is kept: %+v", st)
			}
		})
	}
}

// TestWriteKeepsAll: 1.0 and 2.0 can express the same samples, histograms and exemplars.
func TestWriteKeepsAll(t *testing.T) {
	v1 := writeBody(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		{Labels: []prompb.Label{{Name: "__name__", Value: "h"}}, Histograms: []prompb.Histogram{prompb.FromIntHistogram(5, testHistogram(3))},
			Exemplars: []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "x"}}, Value: 2, Timestamp: 4}}},
		series([]string{"__name__", "up"}, 5),
	}})
	v2 := writeV2Body(t, &writev2.Request{
		Symbols: []string{"", "__name__", "h", "trace_id", "x", "up", "what it is", "s"},
		Timeseries: []writev2.TimeSeries{
			{LabelsRefs: []uint32{1, 2}, Histograms: []writev2.Histogram{writev2.FromIntHistogram(2, 5, testHistogram(3))},
				Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{3, 4}, Value: 2, Timestamp: 4}}},
			{LabelsRefs: []uint32{1, 5}, Samples: []writev2.Sample{{Value: 5, Timestamp: 5, StartTimestamp: 1}},
				Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 6, UnitRef: 7}},
		},
	})
	for name, tc := range map[string]struct {
		body   []byte
		change func(http.Header)
		start  int64
	}{"1.0": {v1, nil, 0}, "2.0": {v2, asV2, 1}} {
		t.Run(name, func(t *testing.T) {
			s := receiver.New(receiver.Options{})
			for range 2 { // a repeated request is stored once
				if status, text := write(s, tc.body, tc.change); status != 204 {
					t.Fatalf("%d %q", status, text)
				}
			}
			want := []receiver.Series{
				{Labels: labels.FromStrings("__name__", "h"), Histograms: []receiver.Histogram{{Time: 5, Start: 2 * tc.start, Int: testHistogram(3)}},
					Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "x"), Value: 2, Ts: 4, HasTs: true}}},
				{Labels: labels.FromStrings("__name__", "up"), Samples: []receiver.Sample{{Time: 5, Value: 5, Start: tc.start}}},
			}
			same := cmp.Comparer(func(a, b *histogram.Histogram) bool { return a.Equals(b) })
			if diff := cmp.Diff(want, s.Series(), cmp.Comparer(labels.Equal), same); diff != "" {
				t.Errorf("series (-want +got):\n%s", diff)
			}
			wantStats := receiver.WriteStats{Requests: 2, RequestsV2: 2 * int(tc.start), Samples: 2, Histograms: 1, Exemplars: 1, Repeated: 2}
			if diff := cmp.Diff(wantStats, s.WriteStats()); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
			got, told := s.Metadata("up")
			if want := (lighter.Metadata{Family: "up", Type: "counter", Help: "what it is", Unit: "s"}); told != (tc.start > 0) || told && got != want {
				t.Errorf("metadata %+v, want %+v", got, want)
			}
			if status, text := write(s, writeBody(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{series([]string{"__name__", "h"}, 4)}}), nil); status != 400 {
				t.Errorf("a sample before a histogram: %d %q, want 400", status, text)
			}
		})
	}
}

func FuzzWriteV2(f *testing.F) {
	f.Add(snappy.Encode(nil, nil))
	f.Add(writeV2Body(f, &writev2.Request{Symbols: []string{"", "__name__", "up"}, Timeseries: []writev2.TimeSeries{{LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Timestamp: 1}}}}}))
	f.Add(writeV2Body(f, &writev2.Request{Symbols: []string{"", "__name__", "up"}, Timeseries: []writev2.TimeSeries{{LabelsRefs: []uint32{1, 2}, Histograms: []writev2.Histogram{writev2.FromIntHistogram(1, 2, testHistogram(3))}}}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := receiver.New(receiver.Options{})
		status, text := write(s, body, asV2)
		if kept := s.WriteStats().Samples; status != http.StatusNoContent && status != http.StatusBadRequest || status == http.StatusBadRequest && text == "" {
			t.Errorf("status %d %q, %d samples", status, text, kept)
		}
	})
}
