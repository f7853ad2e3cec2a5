package scrape_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	"go.uber.org/goleak"

	"lighter"
	"lighter/collector/scrape"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is a sample that a sink received, with the value as text: NaN equals NaN, and a staleness marker
// is "stale".
type sample struct {
	Series string
	Time   int64
	Value  string
}

func sampleOf(series string, t int64, v float64) sample {
	if value.IsStaleNaN(v) {
		return sample{series, t, "stale"}
	}
	return sample{series, t, fmt.Sprint(v)}
}

// histogramOf returns a native histogram as a sample's value.
func histogramOf(series string, h prompb.Histogram) sample {
	kind, shown := "int", ""
	if i := h.ToIntHistogram(); i != nil {
		shown = i.String()
	} else {
		kind, shown = "float", h.ToFloatHistogram().String()
	}
	switch {
	case value.IsStaleNaN(h.Sum):
		return sample{series, h.Timestamp, kind + " stale"}
	case h.ResetHint == prompb.Histogram_GAUGE:
		kind = "gauge " + kind
	}
	return sample{series, h.Timestamp, kind + " histogram " + shown}
}

// exemplarSeen is an exemplar that a sink received.
type exemplarSeen struct {
	Trace string
	Value float64
	Time  int64
}

// startOf returns the start timestamp among the fields that remote write 1.0 does not know.
func startOf(unknown []byte) int64 {
	_, k := binary.Uvarint(unknown)
	start, _ := binary.Uvarint(unknown[max(k, 0):])
	return int64(start)
}

// recorder is a Sink that decodes what it receives with the library.
type recorder struct {
	name string // of the sink; its own if empty
	drop func(labels.Labels) bool
	fail error

	mu        sync.Mutex
	asked     int // calls of AppendLabels
	samples   []sample
	starts    map[string]int64 // the last start timestamp of each series that had one
	exemplars []exemplarSeen
	blocks    []lighter.Block // without bodies
	shards    map[uint64]bool
	metadata  []lighter.Metadata
}

func (r *recorder) AppendLabels(dst []byte, l labels.Labels) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.drop != nil && r.drop(l) {
		return dst, false
	}
	b, err := (&prompb.TimeSeries{Labels: prompb.FromLabels(l, nil)}).Marshal()
	if err != nil {
		panic(err)
	}
	return append(dst, b...), true
}

func (r *recorder) Append(_ context.Context, shard uint64, blocks []lighter.Block) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	if r.shards == nil {
		r.shards = map[uint64]bool{}
	}
	r.shards[shard] = true
	for _, b := range blocks {
		var req prompb.WriteRequest
		if err := proto.Unmarshal(b.Body, &req); err != nil {
			return err
		}
		n := 0
		var sb labels.ScratchBuilder
		for _, ts := range req.Timeseries {
			series := ts.ToLabels(&sb, nil).String()
			for _, s := range ts.Samples {
				r.samples = append(r.samples, sampleOf(series, s.Timestamp, s.Value))
				r.started(series, s.XXX_unrecognized, b)
				n++
			}
			for _, h := range ts.Histograms {
				r.samples = append(r.samples, histogramOf(series, h))
				r.started(series, h.XXX_unrecognized, b)
				n++
			}
			for _, e := range ts.Exemplars {
				r.exemplars = append(r.exemplars, exemplarSeen{e.ToExemplar(&sb, nil).Labels.Get("trace_id"), e.Value, e.Timestamp})
			}
		}
		if n != b.Samples {
			return fmt.Errorf("a block says %d samples and has %d", b.Samples, n)
		}
		b.Body = nil
		r.blocks = append(r.blocks, b)
	}
	return nil
}

// started keeps a start timestamp. A block that has one must say so.
func (r *recorder) started(series string, unknown []byte, b lighter.Block) {
	if len(unknown) == 0 {
		return
	}
	if !b.StartTimes {
		panic("a block has start timestamps and does not say so")
	}
	if r.starts == nil {
		r.starts = map[string]int64{}
	}
	r.starts[series] = startOf(unknown)
}

func (r *recorder) Metadata(m []lighter.Metadata) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metadata = append(r.metadata, m...)
}

// take returns the samples since the last call.
func (r *recorder) take() []sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.samples
	r.samples = nil
	return s
}

// site answers requests without a network.
type site func(*http.Request) (*http.Response, error)

func (s site) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func response(status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status,
		Status:     fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Header:     http.Header{"Content-Type": {contentType}},
		Body:       io.NopCloser(bytes.NewBufferString(body)),
	}
}

// pages answers with one page after another, then with the last one.
func pages(contentType string, bodies ...string) site {
	var mu sync.Mutex
	next := 0
	return func(*http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		body := bodies[min(next, len(bodies)-1)]
		next++
		if body == refused {
			return nil, errors.New("connection refused")
		}
		return response(http.StatusOK, contentType, body), nil
	}
}

const (
	text    = "text/plain; version=0.0.4"
	refused = "\x00refused"
)

// syncBuffer is a log that a test reads while a Loop writes.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func testConfig() scrape.Config {
	cfg := scrape.DefaultConfig()
	cfg.Name = "api"
	return cfg
}

func target(pairs ...string) lighter.Target {
	b := labels.NewBuilder(labels.FromStrings(pairs...))
	if b.Get("__address__") == "" {
		b.Set("__address__", "api:3000")
	}
	return lighter.Target{Labels: b.Labels()}
}

// loop is a Loop under test and what it is given.
type loop struct {
	*scrape.Loop
	sink     *recorder
	log      *syncBuffer
	registry *prometheus.Registry
}

func mustNew(tb testing.TB, t lighter.Target, cfg scrape.Config, transport http.RoundTripper, sinks ...scrape.Sink) *loop {
	tb.Helper()
	return newWith(tb, t, cfg, &http.Client{Transport: transport}, sinks...)
}

// newWith is mustNew with a client instead of a site.
func newWith(tb testing.TB, t lighter.Target, cfg scrape.Config, client *http.Client, sinks ...scrape.Sink) *loop {
	tb.Helper()
	l := &loop{sink: &recorder{}, log: &syncBuffer{}, registry: prometheus.NewRegistry()}
	if len(sinks) == 0 {
		sinks = []scrape.Sink{l.sink}
	}
	var names []string
	for _, sink := range sinks {
		name := fmt.Sprintf("%p", sink)
		if r, ok := sink.(*recorder); ok && r.name != "" {
			name = r.name
		}
		names = append(names, name)
	}
	var err error
	l.Loop, err = scrape.New(t, cfg, scrape.Options{
		Client:    client,
		Sinks:     sinks,
		Names:     names,
		Buffers:   scrape.NewBuffers(scrape.PageMemory),
		UserAgent: "lighter/test",
		Metrics:   scrape.NewMetrics(l.registry),
		Logger:    logTo(l.log),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// run starts the Loop; stop ends it with a cause and waits for it.
func (l *loop) run(tb testing.TB) (stop func(cause error)) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	return func(cause error) {
		cancel(cause)
		if err := <-done; err != nil {
			tb.Errorf("Run: %v", err)
		}
	}
}

// once runs the Loop for one scrape on a fake clock (call it in a synctest bubble). It returns what the
// sink received, and leaves out the series about the scrape unless withReport.
func (l *loop) once(tb testing.TB, withReport bool) []sample {
	stop := l.run(tb)
	time.Sleep(5 * time.Second)
	stop(nil)
	return strip(l.sink.take(), withReport)
}

func strip(samples []sample, withReport bool) []sample {
	if withReport {
		return samples
	}
	var kept []sample
	for _, s := range samples {
		if !isReport(s.Series) {
			kept = append(kept, s)
		}
	}
	return kept
}
