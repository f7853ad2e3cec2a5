package remotewrite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"go.uber.org/goleak"

	"lighter"
	"lighter/exporters/receiver"
	"lighter/exporters/remotewrite"
	"lighter/exporters/send"
)

func TestMain(m *testing.M) {
	if os.Getenv(peerVariable) != "" {
		servePeer()
		return
	}
	goleak.VerifyTestMain(m)
}

// direct hands requests to a handler without a network, so that it works on a fake clock.
// A handler that panics with http.ErrAbortHandler cuts the connection.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			resp, err = nil, io.ErrUnexpectedEOF
		} else if p != nil {
			panic(p)
		}
	}()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// syncBuffer is a log that a test reads while an Endpoint writes.
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

// endpoint is an Endpoint under test, and the receiver that it sends to.
type endpoint struct {
	*remotewrite.Endpoint
	receiver *receiver.Server
	log      *syncBuffer
	registry *prometheus.Registry
	options  remotewrite.Options
}

func testConfig() remotewrite.Config {
	cfg := remotewrite.DefaultConfig()
	cfg.Name, cfg.URL = "cloud", "http://backend"+receiver.WritePath
	return cfg
}

func mustNew(tb testing.TB, cfg remotewrite.Config) *endpoint {
	tb.Helper()
	r := receiver.New(receiver.Options{})
	e := mustNewWith(tb, cfg, direct{r})
	e.receiver = r
	return e
}

// mustNewWith returns an Endpoint whose network is not just its own receiver.
func mustNewWith(tb testing.TB, cfg remotewrite.Config, network http.RoundTripper) *endpoint {
	tb.Helper()
	e := &endpoint{log: &syncBuffer{}, registry: prometheus.NewRegistry()}
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes"}, []string{"endpoint", "in"})
	e.registry.MustRegister(waiting)
	e.options = remotewrite.Options{
		Client:       &http.Client{Transport: network},
		UserAgent:    "lighter/test",
		FlushTimeout: 5 * time.Second,
		Metrics:      remotewrite.NewMetrics(e.registry, waiting),
		SendMetrics:  send.NewMetrics(e.registry),
		Logger:       slog.New(slog.NewTextHandler(e.log, nil)),
	}
	var err error
	if e.Endpoint, err = remotewrite.New(cfg, e.options); err != nil {
		tb.Fatal(err)
	}
	return e
}

// run starts the Endpoint; stop ends it and waits.
func (e *endpoint) run(tb testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := errors.Join(<-done, e.Close()); err != nil {
			tb.Errorf("Run: %v", err)
		}
	}
}

func (e *endpoint) mustAppend(tb testing.TB, shard uint64, blocks ...lighter.Block) {
	tb.Helper()
	packed := slices.Clone(blocks)
	for i := range packed {
		packed[i].Body = e.AppendPacked(nil, blocks[i])
	}
	if err := e.Append(context.Background(), shard, packed); err != nil {
		tb.Fatal(err)
	}
}

// noViolations fails the test if the receiver saw a violation of the protocol, a sample out of order, or a
// repeated one.
func (e *endpoint) noViolations(tb testing.TB) {
	tb.Helper()
	if v := e.receiver.Violations(); len(v) > 0 {
		tb.Errorf("violations: %q", v)
	}
	if st := e.receiver.WriteStats(); st.OutOfOrder > 0 || st.Repeated > 0 {
		tb.Errorf("out of order %d, repeated %d", st.OutOfOrder, st.Repeated)
	}
}

// block holds one sample of each of n series at a time, encoded with the library.
func block(tb testing.TB, job string, n int, at int64) lighter.Block {
	tb.Helper()
	var req prompb.WriteRequest
	for i := range n {
		l := labels.FromStrings("__name__", "metric", "i", fmt.Sprint(i), "job", job)
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels: prompb.FromLabels(l, nil), Samples: []prompb.Sample{{Value: float64(i), Timestamp: at}}})
	}
	body, err := req.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return lighter.Block{Body: body, Samples: n, Time: at}
}

// times are those of the samples that the receiver has of a job's first series.
func (e *endpoint) times(job string) (times []int64) {
	for _, s := range e.receiver.Series(labels.MustNewMatcher(labels.MatchEqual, "job", job), labels.MustNewMatcher(labels.MatchEqual, "i", "0")) {
		for _, one := range s.Samples {
			times = append(times, one.Time)
		}
	}
	return times
}

// always makes the receiver respond with a status.
func always(status int, text string) receiver.Respond {
	return func(*http.Request, []byte) (int, http.Header, string, bool) { return status, nil, text, true }
}

// dropped returns the number of samples counted as dropped for a reason.
func (e *endpoint) dropped(tb testing.TB, reason string) int64 {
	tb.Helper()
	return int64(e.counter(tb, "lighter_samples_dropped_total", "reason", reason))
}

// counter returns the value of a counter of the endpoint with a label.
func (e *endpoint) counter(tb testing.TB, name, label, value string) float64 {
	tb.Helper()
	return e.metric(tb, name, label, value).GetCounter().GetValue()
}

// gauge returns how many bytes wait, in memory or on disk.
func (e *endpoint) gauge(tb testing.TB, in string) float64 {
	tb.Helper()
	return e.metric(tb, "lighter_queue_bytes", "in", in).GetGauge().GetValue()
}

// metric returns one of a name with a label; nil, which has the value 0, if there is none.
func (e *endpoint) metric(tb testing.TB, name, label, value string) *dto.Metric {
	tb.Helper()
	families, err := e.registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == label && l.GetValue() == value {
					return m
				}
			}
		}
	}
	return nil
}
