package pages_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"go.uber.org/goleak"

	"lighter"
	"lighter/collector/internal/pipenet"
	"lighter/collector/pages"
	"lighter/collector/scrape"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scraped is a Sink that sends the samples of each scrape to a channel, by series.
type scraped chan map[string]float64

func (s scraped) AppendLabels(dst []byte, l labels.Labels) ([]byte, bool) {
	b, err := (&prompb.TimeSeries{Labels: prompb.FromLabels(l, nil)}).Marshal()
	if err != nil {
		panic(err)
	}
	return append(dst, b...), true
}

func (s scraped) Append(_ context.Context, _ uint64, blocks []lighter.Block) error {
	all := map[string]float64{}
	var b labels.ScratchBuilder
	for _, block := range blocks {
		var req prompb.WriteRequest
		if err := proto.Unmarshal(block.Body, &req); err != nil {
			return err
		}
		for _, ts := range req.Timeseries {
			all[ts.ToLabels(&b, nil).String()] = ts.Samples[0].Value
		}
	}
	s <- all
	return nil
}

func (s scraped) Metadata([]lighter.Metadata) {}

// first returns the samples of the first scrape of an address.
func first(t *testing.T, transport http.RoundTripper, address string) map[string]float64 {
	t.Helper()
	sink := make(scraped, 1)
	target := lighter.Target{Labels: labels.FromStrings("__address__", address, "instance", "here")}
	cfg := scrape.DefaultConfig()
	cfg.Name = "self"
	loop, err := scrape.New(target, cfg, scrape.Options{
		Client: &http.Client{Transport: transport}, Sinks: []scrape.Sink{sink}, Buffers: scrape.NewBuffers(scrape.PageMemory),
		UserAgent: "test", Metrics: scrape.NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()
	got := <-sink
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	delete(got, `{__name__="scrape_duration_seconds", instance="here", job="self"}`)
	return got
}

// TestScrape: a registry that is scraped as a page yields the same samples as over HTTP, whether it is
// small or large.
func TestScrape(t *testing.T) {
	for _, n := range []int{1, 20_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := prometheus.NewRegistry()
				f := promauto.With(reg)
				gauge := f.NewGaugeVec(prometheus.GaugeOpts{Name: "queue_bytes", Help: "What waits."}, []string{"queue"})
				for i := range n {
					gauge.WithLabelValues(fmt.Sprint(i)).Set(float64(i))
				}
				f.NewCounter(prometheus.CounterOpts{Name: "lines_total", Help: "Lines."}).Add(7)
				f.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Help: "Time."}).Observe(0.2)
				listener := pipenet.Listen()
				server := &http.Server{Handler: promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})}
				go func() { _ = server.Serve(listener) }()
				defer server.Close()
				p := pages.New()
				p.Add("lighter", reg)
				network := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.Dial(ctx) }}
				defer network.CloseIdleConnections()
				want := first(t, network, "lighter")
				got := first(t, p, "lighter")
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("samples (-over HTTP +as a page):\n%s", diff)
				}
				if got[`{__name__="up", instance="here", job="self"}`] != 1 || len(got) < n+10 {
					t.Errorf("%d samples", len(got))
				}
			})
		})
	}
}

func get(ctx context.Context, p *pages.Pages, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return (&http.Client{Transport: p}).Do(req)
}

// TestNames: a page is found by its name, until it is removed.
func TestNames(t *testing.T) {
	p := pages.New()
	p.Add("a", gathering(func() ([]*dto.MetricFamily, error) { return nil, nil }))
	resp, err := get(t.Context(), p, "http://a/whatever")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, err = %v", resp, err)
	}
	resp.Body.Close()
	p.Remove("a")
	const want = `Get "http://a/metrics": the agent has no page named "a"`
	if _, err := get(t.Context(), p, "http://a/metrics"); err == nil || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}

// TestAGathererThatFails: a failing gatherer is a server error.
func TestAGathererThatFails(t *testing.T) {
	p := pages.New()
	p.Add("a", gathering(func() ([]*dto.MetricFamily, error) { return nil, errors.New("no disk") }))
	resp, err := get(t.Context(), p, "http://a/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %s", resp.Status)
	}
}

// TestTheContextEnds: the context ends while the page is produced, and while it is read.
func TestTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pages.New()
		p.Add("slow", gathering(func() ([]*dto.MetricFamily, error) {
			time.Sleep(time.Minute)
			return many(1), nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := get(ctx, p, "http://slow/metrics"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("err = %v after %s", err, time.Since(start))
		}

		p.Add("large", gathering(func() ([]*dto.MetricFamily, error) { return many(100_000), nil }))
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		resp, err := get(ctx, p, "http://large/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		time.Sleep(time.Minute)
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		time.Sleep(time.Minute) // until the slow gatherer has ended, for which the bubble waits
	})
}

// TestAPageThatIsNotRead: closing the body of a page stops its writer.
func TestAPageThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pages.New()
		p.Add("large", gathering(func() ([]*dto.MetricFamily, error) { return many(100_000), nil }))
		resp, err := get(t.Context(), p, "http://large/metrics")
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait() // the bubble fails at its end if the goroutine remains
	})
}

type gathering func() ([]*dto.MetricFamily, error)

func (g gathering) Gather() ([]*dto.MetricFamily, error) { return g() }

// many returns a family of n series.
func many(n int) []*dto.MetricFamily {
	f := &dto.MetricFamily{Name: proto.String("a"), Type: dto.MetricType_GAUGE.Enum()}
	for i := range n {
		f.Metric = append(f.Metric, &dto.Metric{
			Label: []*dto.LabelPair{{Name: proto.String("i"), Value: proto.String(fmt.Sprint(i))}},
			Gauge: &dto.Gauge{Value: proto.Float64(1)},
		})
	}
	return []*dto.MetricFamily{f}
}
