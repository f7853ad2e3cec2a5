package loki_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// A few lines may retain much memory, for which their readers wait: they are sent at once.
func TestRequestIsDueByMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *loki.Config) { c.BatchWait = time.Hour })
		stream := lighter.NewStream(labels.FromStrings("service", "api"))
		held := func(bytes int) (released chan struct{}) {
			batch := &lighter.Batch{Streams: []*lighter.Stream{stream}, Entries: []lighter.Entry{{Time: 1, Line: []byte("x")}}, Bytes: bytes}
			released = make(chan struct{})
			batch.Begin(func() { close(released) })
			handOn(b.Endpoint, batch)
			return released
		}
		wait(t, held(1)) // the first line after a pause
		some := held(loki.DefaultConfig().BatchBytes)
		wait(t, held(loki.DefaultConfig().BatchBytes))
		wait(t, some)
	})
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const memoryBytes = 1 << 30

// bench is an endpoint and its backend, without a network. Its tests run in synctest bubbles.
type bench struct {
	*loki.Endpoint
	t        *testing.T
	receiver *receiver.Server
	down     *atomic.Bool
	dir      string
	stop     func()
}

func newBench(t *testing.T, change func(*loki.Config)) *bench {
	t.Helper()
	b := &bench{t: t, receiver: receiver.New(receiver.Options{}), down: &atomic.Bool{}, dir: t.TempDir()}
	c := loki.DefaultConfig()
	c.Name, c.URL = "loki", "http://loki.test"+receiver.PushPath
	c.Dir, c.MaxBytes = b.dir, 64<<20
	c.ExternalLabels = labels.FromStrings("environment", "test", "service", "no")
	if change != nil {
		change(&c)
	}
	reg := prometheus.NewRegistry()
	queue := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes"}, []string{"endpoint", "in"})
	var err error
	b.Endpoint, err = loki.New(c, loki.Options{UserAgent: "lighter/test", MemoryBytes: memoryBytes, FlushTimeout: 200 * time.Millisecond, Client: &http.Client{Transport: direct{b.receiver, b.down, &atomic.Value{}}},
		Metrics: loki.NewMetrics(reg, queue), Send: send.NewMetrics(reg), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run at the end of its context: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

// handOn gives the endpoint a batch that its maker has begun, and releases it.
func handOn(e *loki.Endpoint, b *lighter.Batch) {
	if err := e.Append(context.Background(), b); err != nil {
		panic(err)
	}
	b.Done()
}

// append hands on a batch of n numbered lines, and returns a channel that is closed when it is released.
func (b *bench) append(from, n int) <-chan struct{} {
	s := lighter.NewStream(labels.FromStrings("service", "api"))
	batch := &lighter.Batch{Streams: []*lighter.Stream{s}, Bytes: 100 * n}
	for i := range n {
		batch.Entries = append(batch.Entries, lighter.Entry{Time: int64(from + i + 1), Line: fmt.Appendf(nil, "line %d", from+i)})
	}
	released := make(chan struct{})
	batch.Begin(func() { close(released) })
	handOn(b.Endpoint, batch)
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

// wait waits, on the fake clock, until released is closed.
func wait(t *testing.T, what <-chan struct{}) {
	t.Helper()
	select {
	case <-what:
	case <-time.After(20 * time.Second):
		t.Fatal("not released")
	}
}

func TestDeliverInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
		if st := b.Status(); st.Delivered != 1000 || st.Waiting.Bytes != 0 || st.Waiting.Items != 0 {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestNothingIsReleasedBeforeItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
			t.Fatal("released before there was a response")
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
	})
}

func TestStopFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *loki.Config) { c.BatchWait = time.Hour })
		wait(t, b.append(0, 1)) // the first goes at once, what follows waits for the hour
		released := b.append(1, 5)
		b.stop()
		wait(t, released)
		if diff := cmp.Diff(numbered(6), b.lines()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestStopWithABackendThatIsAwayAndABrokenDiskEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		if err := os.RemoveAll(b.dir); err != nil {
			t.Fatal(err)
		}
		b.receiver.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) { return 503, nil, "", true })
		released := b.append(0, 5)
		b.stop()
		select {
		case <-released:
			t.Error("released, though nobody took it")
		default:
		}
	})
}

// What waits after a full request has its own waiting time, independent of the request.
func TestTheRestOfAFullRequestWaitsForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		b := newBench(t, func(c *loki.Config) { c.BatchBytes = 1000 })
		b.receiver.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) {
			if times = append(times, time.Now()); len(times) == 1 {
				time.Sleep(900 * time.Millisecond)
			}
			return 204, nil, "", false
		})
		b.append(0, 1)
		time.Sleep(50 * time.Millisecond)
		b.append(1, 40) // a full request
		time.Sleep(800 * time.Millisecond)
		came := time.Now()
		wait(t, b.append(41, 1))
		if diff := cmp.Diff(numbered(42), b.lines()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
		if len(times) != 3 || times[2].Sub(came) != time.Second {
			t.Errorf("requests at %v: want three, the last one a second after %v", times, came)
		}
	})
}

// The endpoint's memory is limited: a batch without room waits, and one that is larger than the whole room
// goes alone.
func TestAppendWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *loki.Config) { c.BatchWait = time.Hour })
		stream := lighter.NewStream(labels.FromStrings("service", "api"))
		batch := func(bytes int) *lighter.Batch {
			batch := &lighter.Batch{Streams: []*lighter.Stream{stream}, Entries: []lighter.Entry{{Time: 1, Line: []byte("x")}}, Bytes: bytes}
			batch.Begin(nil)
			return batch
		}
		b.down.Store(true)
		handOn(b.Endpoint, batch(memoryBytes-10)) // is sent at once, and held until it is taken
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Append(ctx, batch(20)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Append = %v where there is no room, want to wait until ctx ends", err)
		}
		appended := make(chan error)
		go func() { appended <- b.Append(t.Context(), batch(2*memoryBytes)) }()
		synctest.Wait()
		b.down.Store(false)
		if err := <-appended; err != nil {
			t.Fatal(err)
		}
	})
}
