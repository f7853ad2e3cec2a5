package remotewrite_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
	"lighter/exporters/receiver"
	"lighter/exporters/remotewrite"
)

// request is a received request.
type request struct {
	method  string
	header  http.Header
	body    []byte
	series  int
	symbols []string // of 2.0
	at      time.Time
}

func (r request) version() string { return r.header.Get("X-Prometheus-Remote-Write-Version") }

// spy records requests, and responds as answer determines; a status of 0 leaves that to the receiver.
type spy struct {
	answer func(n int, r request) (status int, header http.Header, text string)

	mu       sync.Mutex
	requests []request
}

func (s *spy) respond(r *http.Request, body []byte) (int, http.Header, string, bool) {
	got := request{method: r.Method, header: r.Header.Clone(), body: bytes.Clone(body), at: time.Now()}
	if got.version() == "2.0.0" {
		if req, err := receiver.DecodeWriteV2(body); err == nil {
			got.series, got.symbols = len(req.Timeseries), req.Symbols
		}
	} else if req, err := receiver.DecodeWrite(body); err == nil {
		got.series = len(req.Timeseries)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.requests)
	s.requests = append(s.requests, got)
	if s.answer == nil {
		return 0, nil, "", false
	}
	status, header, text := s.answer(n, got)
	return status, header, text, status != 0
}

func (s *spy) all() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// fullBlock has a series of each kind: a counter with a start timestamp and an exemplar, an
// integer and a float histogram, and a staleness marker.
func fullBlock(tb testing.TB, at int64) lighter.Block {
	tb.Helper()
	of := func(name string) []prompb.Label {
		return []prompb.Label{{Name: "__name__", Value: name}, {Name: "job", Value: "api"}}
	}
	start := binary.AppendUvarint([]byte{3 << 3}, 500)
	exemplars := []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "abc"}}, Value: 0.5, Timestamp: at - 1}}
	ints := prompb.FromIntHistogram(at, &histogram.Histogram{Schema: 1, Count: 3, Sum: 2, PositiveSpans: []histogram.Span{{Offset: -1, Length: 2}}, PositiveBuckets: []int64{1, 1}})
	floats := prompb.FromFloatHistogram(at, &histogram.FloatHistogram{Schema: 1, Count: 3, Sum: 2, ZeroCount: 1.5, NegativeSpans: []histogram.Span{{Offset: 0, Length: 1}}, NegativeBuckets: []float64{1.5}})
	req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		{Labels: of("http_requests_total"), Samples: []prompb.Sample{{Value: 7, Timestamp: at, XXX_unrecognized: start}}, Exemplars: exemplars},
		{Labels: of("latency"), Histograms: []prompb.Histogram{ints}},
		{Labels: of("size"), Histograms: []prompb.Histogram{floats}},
		{Labels: of("gone"), Samples: []prompb.Sample{{Value: math.Float64frombits(value.StaleNaN), Timestamp: at}}},
	}}
	body, err := req.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return lighter.Block{Body: body, Samples: 4, StartTimes: true, Time: at}
}

func (e *endpoint) one(tb testing.TB, name string) receiver.Series {
	tb.Helper()
	found := e.receiver.Series(labels.MustNewMatcher(labels.MatchEqual, "__name__", name))
	if len(found) != 1 {
		tb.Errorf("%d series are named %s, want 1", len(found), name)
		return receiver.Series{}
	}
	return found[0]
}

// checkFull checks that all of a full block arrived, as far as the version can express it.
func (e *endpoint) checkFull(tb testing.TB, v2 bool, at int64) {
	tb.Helper()
	e.noViolations(tb)
	want := receiver.Sample{Time: at, Value: 7}
	if v2 {
		want.Start = 500
	}
	counter := e.one(tb, "http_requests_total")
	if !slices.Contains(counter.Samples, want) {
		tb.Errorf("counter %+v, want %+v among them", counter.Samples, want)
	}
	if x := counter.Exemplars; len(x) == 0 || x[0].Labels.Get("trace_id") != "abc" || x[0].Value != 0.5 {
		tb.Errorf("exemplars %v", x)
	}
	if h := e.one(tb, "latency").Histograms; len(h) == 0 || h[0].Int == nil || h[0].Int.Count != 3 {
		tb.Errorf("integer histograms %v", h)
	}
	if h := e.one(tb, "size").Histograms; len(h) == 0 || h[0].Float == nil || h[0].Float.Count != 3 {
		tb.Errorf("float histograms %v", h)
	}
	if g := e.one(tb, "gone").Samples; len(g) == 0 || !g[0].Stale() {
		tb.Errorf("staleness markers %v", g)
	}
}

// sent runs an Endpoint for a minute after append has filled it. It returns the Endpoint and what it sent.
func sent(t *testing.T, cfg remotewrite.Config, s *spy, fill func(e *endpoint)) *endpoint {
	t.Helper()
	e := mustNew(t, cfg)
	e.receiver.Respond(s.respond)
	stop := e.run(t)
	fill(e)
	time.Sleep(time.Minute)
	stop()
	return e
}

func versioned(v int) remotewrite.Config {
	cfg := testConfig()
	cfg.Version = v
	return cfg
}

// targetsOf returns the job labels in a request.
func targetsOf(tb testing.TB, r *http.Request, body []byte) (jobs []string) {
	tb.Helper()
	seen := map[string]bool{}
	add := func(job string) {
		if !seen[job] {
			seen[job] = true
			jobs = append(jobs, job)
		}
	}
	if r.Header.Get("X-Prometheus-Remote-Write-Version") == "2.0.0" {
		req, err := receiver.DecodeWriteV2(body)
		if err != nil {
			tb.Fatal(err)
		}
		for _, ts := range req.Timeseries {
			add(req.Symbols[ts.LabelsRefs[5]])
		}
		return jobs
	}
	req, err := receiver.DecodeWrite(body)
	if err != nil {
		tb.Fatal(err)
	}
	for _, ts := range req.Timeseries {
		add(ts.Labels[2].Value)
	}
	return jobs
}

func relabelRules(tb testing.TB) []*relabel.Config {
	tb.Helper()
	rename := relabel.DefaultRelabelConfig
	rename.SourceLabels, rename.TargetLabel = model.LabelNames{"pod"}, "instance"
	drop := relabel.DefaultRelabelConfig
	drop.Action, drop.Regex = relabel.LabelDrop, relabel.MustNewRegexp("pod")
	all := []*relabel.Config{&rename, &drop}
	for _, r := range all {
		r.NameValidationScheme = model.LegacyValidation
		if err := r.Validate(model.LegacyValidation); err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

// labelled is a block of one sample whose labels the Endpoint has encoded.
func labelled(tb testing.TB, e *endpoint, at int64, l labels.Labels) lighter.Block {
	tb.Helper()
	series, keep := e.AppendLabels(nil, l)
	if !keep {
		tb.Fatal("the series is dropped")
	}
	var ts prompb.TimeSeries
	ts.Samples = []prompb.Sample{{Value: 1, Timestamp: at}}
	rest, err := ts.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	series = append(series, rest...)
	body := binary.AppendUvarint([]byte{0x0a}, uint64(len(series)))
	return lighter.Block{Body: append(body, series...), Samples: 1, Time: at}
}
