package push

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
	sending "lighter/exporters/send"
)

// reached is a network to a receiver that may be down.
type reached struct {
	to   *receiver.Server
	down atomic.Bool
}

func (n *reached) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.down.Load() {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	n.to.ServeHTTP(w, r)
	return w.Result(), nil
}

// withEndpoint returns a Server before a real endpoint, whose buffer takes so many bytes, and the network to
// the backend of that.
func withEndpoint(t *testing.T, bufferBytes int64) (*Server, *reached) {
	t.Helper()
	network := &reached{to: receiver.New(receiver.Options{})}
	c := loki.DefaultConfig()
	c.Name, c.URL, c.Dir, c.MaxBytes = "loki", "http://loki.test"+receiver.PushPath, t.TempDir(), bufferBytes
	reg := prometheus.NewRegistry()
	logger := slog.New(slog.DiscardHandler)
	e, err := loki.New(c, loki.Options{
		UserAgent: "lighter/test", MemoryBytes: 16 << 20, FlushTimeout: 200 * time.Millisecond, Client: &http.Client{Transport: network}, Logger: logger,
		Metrics: loki.NewMetrics(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes"}, []string{"endpoint", "in"})), Send: sending.NewMetrics(reg),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = e.Run(ctx) })
	s := newServer(Options{Logs: []lighter.Logs{e}, UseIncomingTimestamp: true})
	running.Go(func() { s.deliver(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, network
}

func lines(r *receiver.Server) (n int) {
	for _, s := range r.Streams() {
		n += len(s.Entries)
	}
	return n
}

// While the backend is away, entries are acknowledged when they are on disk, before the sender gives up.
func TestBackendIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, network := withEndpoint(t, 64<<20)
		body := protobuf(t, stream(`{a="b"}`, "x", "y"))
		start := time.Now()
		if r := <-inBackground(s, body); r.StatusCode != 204 || time.Since(start) > 2*time.Second || lines(network.to) != 2 {
			t.Fatalf("status %d after %s with %d lines delivered, while the backend is there", r.StatusCode, time.Since(start), lines(network.to))
		}
		network.down.Store(true)
		start = time.Now()
		r := <-inBackground(s, protobuf(t, stream(`{a="b"}`, "z")))
		if d := time.Since(start); r.StatusCode != 204 || d >= AckTimeout {
			t.Errorf("status %d after %s", r.StatusCode, d)
		}
		network.down.Store(false)
		time.Sleep(time.Minute)
		if n := lines(network.to); n != 3 {
			t.Errorf("%d lines are delivered", n)
		}
	})
}

// Without room on disk, the sender is told to send again, and what it sends is delivered once.
func TestBackendIsAwayWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, network := withEndpoint(t, 1)
		network.down.Store(true)
		body := protobuf(t, stream(`{a="b"}`, "x"))
		for range 5 {
			if r := <-inBackground(s, body); r.StatusCode != 503 {
				t.Fatalf("status %d", r.StatusCode)
			}
			time.Sleep(10 * time.Second)
		}
		network.down.Store(false)
		if r := <-inBackground(s, body); r.StatusCode != 204 {
			r = <-inBackground(s, body)
			if r.StatusCode != 204 {
				t.Errorf("status %d when the backend is back", r.StatusCode)
			}
		}
		if n, stats := lines(network.to), network.to.PushStats(); n != 1 || stats.Repeated != 0 {
			t.Errorf("%d lines are delivered, %d of them again", n, stats.Repeated)
		}
	})
}
