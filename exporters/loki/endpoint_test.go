package loki_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"lighter"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
	"lighter/exporters/send"
)

// Few lines may keep much memory, and those who read them wait for it: they are sent at once.
func TestRequestIsDueByMemory(t *testing.T) {
	b := newBench(t, func(c *loki.Config) { c.BatchWait = time.Hour })
	stream := lighter.NewStream(labels.FromStrings("service", "api"))
	held := func(bytes int) (released chan struct{}) {
		batch := &lighter.Batch{Streams: []*lighter.Stream{stream}, Entries: []lighter.Entry{{Time: 1, Line: []byte("x")}}, Bytes: bytes}
		released = make(chan struct{})
		batch.Retain(1, func() { close(released) })
		b.Append(batch)
		return released
	}
	wait(t, held(1)) // the first line after a pause
	some := held(loki.DefaultConfig().BatchBytes)
	wait(t, held(loki.DefaultConfig().BatchBytes))
	wait(t, some)
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type bench struct {
	*loki.Endpoint
	t        *testing.T
	receiver *receiver.Server
	stop     func()
}

func newBench(t *testing.T, change func(*loki.Config)) *bench {
	t.Helper()
	r := receiver.New(receiver.Options{})
	if err := r.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c := loki.DefaultConfig()
	c.Name, c.URL = "loki", r.URL()+receiver.PushPath
	c.ExternalLabels = labels.FromStrings("environment", "test", "service", "no")
	if change != nil {
		change(&c)
	}
	reg := prometheus.NewRegistry()
	queue := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes"}, []string{"endpoint", "in"})
	e, err := loki.New(c, loki.Options{UserAgent: "lighter/test", FlushTimeout: 200 * time.Millisecond,
		Metrics: loki.NewMetrics(reg, queue), Send: send.NewMetrics(reg), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run at the end of its context: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{e, t, r, stop}
}

// append hands on a batch of n numbered lines, and returns a channel that is closed when it is released.
func (b *bench) append(from, n int) <-chan struct{} {
	s := lighter.NewStream(labels.FromStrings("service", "api"))
	batch := &lighter.Batch{Streams: []*lighter.Stream{s}, Bytes: 100 * n}
	for i := range n {
		batch.Entries = append(batch.Entries, lighter.Entry{Time: int64(from + i + 1), Line: fmt.Appendf(nil, "line %d", from+i)})
	}
	released := make(chan struct{})
	batch.Retain(1, func() { close(released) })
	b.Append(batch)
	return released
}

func (b *bench) lines() (all []string) {
	for _, s := range b.receiver.Streams() {
		if diff := cmp.Diff(`{environment="test", service="api"}`, s.Labels.String()); diff != "" {
			b.t.Errorf("labels (-want +got):\n%s", diff)
		}
		for _, e := range s.Entries {
			all = append(all, e.Line)
		}
	}
	return all
}

func numbered(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("line ", i))
	}
	return all
}

func wait(t *testing.T, what <-chan struct{}) {
	t.Helper()
	select {
	case <-what:
	case <-time.After(20 * time.Second):
		t.Fatal("not released")
	}
}

func TestDeliverInOrder(t *testing.T) {
	b := newBench(t, func(c *loki.Config) { c.BatchBytes = 100 })
	var last <-chan struct{}
	for i := range 100 {
		last = b.append(10*i, 10)
	}
	wait(t, last)
	if diff := cmp.Diff(numbered(1000), b.lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if v := b.receiver.Violations(); v != nil {
		t.Error(v)
	}
	if st := b.Status(); st.Delivered != 1000 || st.WaitingBytes != 0 || st.WaitingEntries != 0 {
		t.Errorf("status = %+v", st)
	}
}

func TestNothingIsReleasedBeforeItIsTaken(t *testing.T) {
	b := newBench(t, nil)
	asked, answer := make(chan struct{}, 10), make(chan int)
	b.receiver.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) {
		asked <- struct{}{}
		status := <-answer
		return status, nil, "", status != 204
	})
	released := b.append(0, 3)
	<-asked
	select {
	case <-released:
		t.Fatal("released before there was an answer")
	default:
	}
	answer <- 503
	<-asked
	select {
	case <-released:
		t.Fatal("released after a 503")
	default:
	}
	answer <- 204
	wait(t, released)
	if diff := cmp.Diff(numbered(3), b.lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestStopFlushes(t *testing.T) {
	b := newBench(t, func(c *loki.Config) { c.BatchWait = time.Hour })
	wait(t, b.append(0, 1)) // the first goes at once, what follows waits for the hour
	released := b.append(1, 5)
	b.stop()
	wait(t, released)
	if diff := cmp.Diff(numbered(6), b.lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestStopWithABackendThatIsAwayEnds(t *testing.T) {
	b := newBench(t, nil)
	b.receiver.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) { return 503, nil, "", true })
	released := b.append(0, 5)
	b.stop()
	select {
	case <-released:
		t.Error("released, though nobody took it")
	default:
	}
}
