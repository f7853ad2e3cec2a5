package remotewrite_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"lighter"
	"lighter/exporters/receiver"
	"lighter/exporters/remotewrite"
)

// network is between an Endpoint and a receiver. It is slow, and ends with its process.
type network struct {
	to   http.Handler
	away *atomic.Bool // the backend responds with 503

	mu        sync.Mutex
	dead      bool
	unproven  int // samples that the backend has and whose response is in transit
	abandoned int // samples whose response was not awaited
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	dead := n.dead
	n.mu.Unlock()
	if dead {
		return nil, errors.New("the process is dead")
	}
	if n.away.Load() {
		time.Sleep(20 * time.Millisecond)
		return response(http.StatusServiceUnavailable), nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := direct{n.to}.RoundTrip(r)
	samples := samplesOf(r, body)
	n.add(samples)
	defer n.add(-samples)
	select {
	case <-time.After(rand.N(300 * time.Millisecond)):
		return resp, err
	case <-r.Context().Done():
		n.mu.Lock()
		defer n.mu.Unlock()
		n.abandoned += samples
		return nil, r.Context().Err()
	}
}

func response(status int) *http.Response {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	return w.Result()
}

// samplesOf returns how many samples a request has, of blocks that have one a series.
func samplesOf(r *http.Request, body []byte) int {
	if r.Header.Get("X-Prometheus-Remote-Write-Version") == "2.0.0" {
		req, err := receiver.DecodeWriteV2(body)
		if err != nil {
			panic(err)
		}
		return len(req.Timeseries)
	}
	req, err := receiver.DecodeWrite(body)
	if err != nil {
		panic(err)
	}
	return len(req.Timeseries)
}

func (n *network) add(samples int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.dead {
		n.unproven += samples
	}
}

// kill ends the network. It returns the number of samples that the backend has and whose response was in
// transit or not awaited.
func (n *network) kill() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead = true
	return n.unproven + n.abandoned
}

// gauges is the block of one scrape of a target. The value of each of its series is the number of the
// scrape.
func gauges(tb testing.TB, target, series int, scrape int64) lighter.Block {
	tb.Helper()
	var req prompb.WriteRequest
	for i := range series {
		l := labels.FromStrings("__name__", "scrape", "i", fmt.Sprint(i), "target", fmt.Sprint(target))
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels: prompb.FromLabels(l, nil), Samples: []prompb.Sample{{Value: float64(scrape), Timestamp: scrape}}})
	}
	body, err := req.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return lighter.Block{Body: body, Samples: series, Time: scrape}
}

// checkSequence checks that each series has every scrape once and in order.
func checkSequence(tb testing.TB, s *receiver.Server, targets, series int, scrapes int64) {
	tb.Helper()
	all := s.Series(labels.MustNewMatcher(labels.MatchEqual, "__name__", "scrape"))
	if len(all) != targets*series {
		tb.Errorf("%d series arrived, want %d", len(all), targets*series)
	}
	for _, one := range all {
		for i, sample := range one.Samples {
			if sample.Value != float64(i+1) || sample.Time != int64(i+1) {
				tb.Fatalf("%s: after %d comes %v at %d", one.Labels, i, sample.Value, sample.Time)
			}
		}
		if len(one.Samples) != int(scrapes) {
			tb.Fatalf("%s has %d samples, want %d", one.Labels, len(one.Samples), scrapes)
		}
	}
	if v := s.Violations(); len(v) > 0 {
		tb.Errorf("violations: %q", v)
	}
	if n := s.WriteStats().OutOfOrder; n > 0 {
		tb.Errorf("%d samples are out of order", n)
	}
}

func copyDir(tb testing.TB, from, to string) {
	tb.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		tb.Fatal(err)
	}
}

func onDisk(dir string) remotewrite.Config {
	cfg := testConfig()
	cfg.Dir, cfg.MaxBytes = dir, 64<<20
	return cfg
}

// TestKill repeatedly kills the process at any moment, while the backend comes and goes: every appended
// scrape arrives once, in order, and only unacknowledged ones are sent again. A copy of the directory is
// what a killed process leaves.
func TestKill(t *testing.T) {
	for seed := range 3 {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprintf("seed=%d/version=%d", seed, version), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testKill(t, seed, version) })
			})
		}
	}
}

func testKill(t *testing.T, seed, version int) {
	const targets, series, lives = 7, 20, 10
	random := rand.New(rand.NewPCG(uint64(seed), uint64(version)))
	root := t.TempDir()
	backend := receiver.New(receiver.Options{})
	var away atomic.Bool
	scrape, repeatable := int64(0), 0
	dir := filepath.Join(root, "0")
	var last func()
	for life := range lives {
		net := &network{to: backend, away: &away}
		cfg := onDisk(dir)
		cfg.Version = version
		cfg.SamplesPerSend = 100 + random.IntN(500)
		cfg.Shards = 1 + random.IntN(4) // a different number than in the life before
		e := mustNewWith(t, cfg, net)
		stop := e.run(t)
		for range random.IntN(40) {
			scrape++
			for target := range targets {
				e.mustAppend(t, uint64(target)*7919, gauges(t, target, series, scrape))
			}
			away.Store(random.IntN(3) == 0)
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		}
		if life == lives-1 {
			away.Store(false)
			time.Sleep(2 * time.Minute)
			stop()
			break
		}
		synctest.Wait()
		repeatable += net.kill()
		next := filepath.Join(root, fmt.Sprint(life+1))
		copyDir(t, dir, next)
		dir = next
		if last != nil {
			last()
		}
		last = stop
	}
	last()
	checkSequence(t, backend, targets, series, scrape)
	if n := backend.WriteStats().Repeated; n > repeatable {
		t.Errorf("%d samples came twice, and only %d were not acknowledged", n, repeatable)
	}
}
