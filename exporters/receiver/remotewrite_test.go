package receiver_test

import (
	"bytes"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
	"lighter/exporters/receiver"
)

// series makes a TimeSeries of name=value pairs, in the order given, and samples of
// times, each with its time as its value.
func series(pairs []string, times ...int64) prompb.TimeSeries {
	var ts prompb.TimeSeries
	for i := 0; i < len(pairs); i += 2 {
		ts.Labels = append(ts.Labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	for _, t := range times {
		ts.Samples = append(ts.Samples, prompb.Sample{Value: float64(t), Timestamp: t})
	}
	return ts
}

func writeBody(tb testing.TB, req *prompb.WriteRequest) []byte {
	tb.Helper()
	b, err := req.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

// startInV1 is a 1.0 request whose sample has a field that only 2.0 has.
func startInV1(tb testing.TB) []byte {
	ts := series([]string{"__name__", "up"}, 1)
	ts.Samples[0].XXX_unrecognized = []byte{3 << 3, 1}
	return writeBody(tb, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}})
}

// write posts a body with the headers of the protocol, changed by change.
func write(s *receiver.Server, body []byte, change func(http.Header)) (status int, text string) {
	r := httptest.NewRequest("POST", receiver.WritePath, bytes.NewReader(body))
	for k, v := range map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
		"X-Prometheus-Remote-Write-Version": "0.1.0", "User-Agent": "test"} {
		r.Header.Set(k, v)
	}
	if change != nil {
		change(r.Header)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestWriteRefuses(t *testing.T) {
	up := []string{"__name__", "up"}
	of := func(ts ...prompb.TimeSeries) []byte { return writeBody(t, &prompb.WriteRequest{Timeseries: ts}) }
	for name, tc := range map[string]struct {
		body   []byte
		change func(http.Header)
		status int
		text   string
	}{
		"encoding": {of(), func(h http.Header) { h.Del("Content-Encoding") }, 415, `Content-Encoding is "", snappy is expected`},
		"type":     {of(), func(h http.Header) { h.Set("Content-Type", "text/plain") }, 415, `Content-Type is "text/plain", application/x-protobuf is expected`},
		"type of 3.0": {of(), func(h http.Header) {
			h.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v3.Request")
		}, 415, `Content-Type is "application/x-protobuf;proto=io.prometheus.write.v3.Request", application/x-protobuf is expected`},
		"version":          {of(), func(h http.Header) { h.Set("X-Prometheus-Remote-Write-Version", "2.0.0") }, 400, `X-Prometheus-Remote-Write-Version is "2.0.0", 0.1.0 is expected`},
		"no user agent":    {of(), func(h http.Header) { h.Del("User-Agent") }, 400, "there is no User-Agent"},
		"no snappy":        {[]byte("\x05hello"), nil, 400, "snappy: snappy: corrupt input"},
		"a bomb":           {[]byte("\xff\xff\xff\xff\x0f"), nil, 400, "snappy: 4294967295 bytes uncompressed, at most 268435456 are accepted"},
		"no protobuf":      {snappy.Encode(nil, []byte("hello")), nil, 400, "protobuf: "},
		"no labels":        {of(series(nil, 1)), nil, 400, "series 1 of 1: it has no labels"},
		"no name":          {of(series([]string{"a", "b"}, 1)), nil, 400, "series 1 of 1: it has no __name__"},
		"empty value":      {of(series(up, 1), series([]string{"__name__", "up", "a", ""}, 1)), nil, 400, "series 2 of 2: label a is empty"},
		"bad metric name":  {of(series([]string{"__name__", "a.b"}, 1)), nil, 400, `series 1 of 1: metric name "a.b" is not valid`},
		"bad label name":   {of(series([]string{"__name__", "up", "a.b", "c"}, 1)), nil, 400, `series 1 of 1: label name "a.b" is not valid`},
		"bad value":        {of(series([]string{"__name__", "up", "a", "\xff"}, 1)), nil, 400, "series 1 of 1: value of label a is not UTF-8"},
		"not sorted":       {of(series([]string{"a", "b", "__name__", "up"}, 1)), nil, 400, "series 1 of 1: label __name__ comes after a: not sorted"},
		"twice":            {of(series([]string{"__name__", "up", "a", "b", "a", "b"}, 1)), nil, 400, "series 1 of 1: label a is there twice"},
		"start timestamps": {startInV1(t), nil, 400, "series 1 of 1: it has fields that 1.0 does not know"},
		"no sample":        {of(series(up)), nil, 400, "series 1 of 1: up has no sample"},
		"time order":       {of(series(up, 2, 1)), nil, 400, "series 1 of 1: up has samples that are not in time order"},
	} {
		t.Run(name, func(t *testing.T) {
			s := receiver.New(receiver.Options{})
			status, text := write(s, tc.body, tc.change)
			if status != tc.status || !strings.HasPrefix(text, tc.text) {
				t.Errorf("%d %q, want %d %q", status, text, tc.status, tc.text)
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

func TestWriteKeeps(t *testing.T) {
	s := receiver.New(receiver.Options{})
	up := []string{"__name__", "up", "job", "api"}
	stale := series([]string{"__name__", "gone"})
	stale.Samples = []prompb.Sample{{Value: math.Float64frombits(value.StaleNaN), Timestamp: 5}}
	for i, step := range []struct {
		series []prompb.TimeSeries
		status int
		text   string
	}{
		{[]prompb.TimeSeries{series(up, 10, 20), stale}, 204, ""},
		{[]prompb.TimeSeries{series(up, 20)}, 204, ""}, // sent twice
		{[]prompb.TimeSeries{series(up, 15), series([]string{"__name__", "b"}, 1)}, 400, `out of order sample at 15: series {__name__="up", job="api"}`},
		{[]prompb.TimeSeries{{Labels: series(up).Labels, Samples: []prompb.Sample{{Value: 7, Timestamp: 20}}}}, 400, `duplicate sample for timestamp 20: series {__name__="up", job="api"}`},
		{[]prompb.TimeSeries{series(up, 30)}, 204, ""},
	} {
		status, text := write(s, writeBody(t, &prompb.WriteRequest{Timeseries: step.series}), nil)
		if status != step.status || text != step.text {
			t.Errorf("step %d: %d %q, want %d %q", i, status, text, step.status, step.text)
		}
	}
	want := []receiver.Series{{Labels: labels.FromStrings(up...), Samples: []receiver.Sample{{Time: 10, Value: 10}, {Time: 20, Value: 20}, {Time: 30, Value: 30}}}}
	if diff := cmp.Diff(want, s.Series(labels.MustNewMatcher(labels.MatchEqual, "job", "api")), cmp.Comparer(labels.Equal)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	if n := len(s.Series()); n != 3 {
		t.Errorf("%d series, want 3", n)
	}
	if gone := s.Series(labels.MustNewMatcher(labels.MatchEqual, "__name__", "gone")); len(gone) != 1 || !gone[0].Samples[0].Stale() {
		t.Errorf("gone: %v", gone)
	}
	if diff := cmp.Diff(receiver.WriteStats{Requests: 5, Samples: 5, Stale: 1, Repeated: 1, OutOfOrder: 2}, s.WriteStats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if v := s.Violations(); len(v) > 0 {
		t.Errorf("violations %q", v)
	}
}

func TestWriteMetadata(t *testing.T) {
	s := receiver.New(receiver.Options{})
	write(s, writeBody(t, &prompb.WriteRequest{Metadata: []prompb.MetricMetadata{{MetricFamilyName: "a", Type: prompb.MetricMetadata_COUNTER, Help: "h", Unit: "u"}}}), nil)
	got, ok := s.Metadata("a")
	if want := (lighter.Metadata{Family: "a", Type: "counter", Help: "h", Unit: "u"}); !ok || got != want {
		t.Errorf("metadata %+v, want %+v", got, want)
	}
	if _, ok := s.Metadata("b"); ok {
		t.Error("there is metadata of a family that was not told")
	}
}

func FuzzWrite(f *testing.F) {
	f.Add(snappy.Encode(nil, nil))
	f.Add(writeBody(f, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{series([]string{"__name__", "up"}, 1, 2)}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := receiver.New(receiver.Options{})
		status, text := write(s, body, nil)
		if kept := s.WriteStats().Samples; status != http.StatusNoContent && status != http.StatusBadRequest || status == http.StatusBadRequest && text == "" {
			t.Errorf("status %d %q, %d samples", status, text, kept)
		}
	})
}
