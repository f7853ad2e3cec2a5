package loki_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
	"lighter/exporters/send"
)

// direct hands requests to a handler without a network, so that it works on a fake clock.
type direct struct {
	http.Handler
	down    *atomic.Bool
	instead *atomic.Value // a func that serves instead of Handler, if set
}

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.down.Load() {
		return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody}, nil
	}
	w := httptest.NewRecorder()
	serve := d.ServeHTTP
	if instead, ok := d.instead.Load().(func(http.ResponseWriter, *http.Request)); ok {
		serve = instead
	}
	serve(w, r)
	return w.Result(), nil
}

// syncBuffer is a log that is read while it is written.
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

// outage is an endpoint with a disk and a backend that can be unavailable.
type outage struct {
	*loki.Endpoint
	t        *testing.T
	receiver *receiver.Server
	down     *atomic.Bool
	handler  *atomic.Value // of direct
	log      *syncBuffer
	reg      *prometheus.Registry
	released atomic.Int32 // batches
	stop     func()
}

func newOutage(t *testing.T, dir string, maxBytes int64, r *receiver.Server) *outage {
	t.Helper()
	return newOutageOf(t, dir, maxBytes, r, func(*loki.Config) {})
}

func newOutageOf(t *testing.T, dir string, maxBytes int64, r *receiver.Server, change func(*loki.Config)) *outage {
	t.Helper()
	o := &outage{t: t, receiver: r, down: &atomic.Bool{}, handler: &atomic.Value{}, log: &syncBuffer{}, reg: prometheus.NewRegistry()}
	c := loki.DefaultConfig()
	c.Name, c.URL = "loki", "http://loki.test"+receiver.PushPath
	c.Dir, c.MaxBytes = dir, maxBytes
	c.BatchBytes = 10_000
	change(&c)
	queue := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lighter_queue_bytes"}, []string{"endpoint", "in"})
	e, err := loki.New(c, loki.Options{UserAgent: "lighter/test", MemoryBytes: memoryBytes, FlushTimeout: 5 * time.Second, Client: &http.Client{Transport: direct{r, o.down, o.handler}},
		Metrics: loki.NewMetrics(o.reg, queue), Send: send.NewMetrics(o.reg), Logger: slog.New(slog.NewTextHandler(o.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	o.Endpoint = e
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	o.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	return o
}

// append hands on a batch of 10 numbered lines that retains the given memory.
func (o *outage) append(from, memory int) {
	s := lighter.NewStream(labels.FromStrings("service", "api"))
	b := &lighter.Batch{Streams: []*lighter.Stream{s}, Bytes: memory}
	for i := range 10 {
		b.Entries = append(b.Entries, lighter.Entry{Time: int64(from + i + 1), Line: fmt.Appendf(nil, "line %d %s", from+i, strings.Repeat("x", 100))})
	}
	b.Begin(func() { o.released.Add(1) })
	handOn(o.Endpoint, b)
}

// want checks that the receiver received lines 0 to n-1, each once and in order.
func (o *outage) want(n int) {
	o.t.Helper()
	o.wantStored(n)
	if st := o.receiver.PushStats(); st.Repeated != 0 {
		o.t.Errorf("%d lines came twice", st.Repeated)
	}
}

// wantStored checks that the receiver has stored lines 0 to n-1 in order.
func (o *outage) wantStored(n int) {
	o.t.Helper()
	var got []string
	for _, s := range o.receiver.Streams() {
		for _, e := range s.Entries {
			got = append(got, strings.Join(strings.Fields(e.Line)[:2], " "))
		}
	}
	if diff := cmp.Diff(numbered(n), got); diff != "" {
		o.t.Errorf("lines (-want +got):\n%.3000s", diff)
	}
}

func TestLaggingEndpointGoesToDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, t.TempDir(), 64<<20, receiver.New(receiver.Options{}))
		o.append(0, 1000)
		time.Sleep(5 * time.Second)
		if o.released.Load() != 1 || o.Status().Waiting.Bytes != 0 {
			t.Fatalf("released = %d, status = %+v", o.released.Load(), o.Status())
		}
		o.down.Store(true)
		for i := 1; i <= 65; i++ { // a minute and more, at 200 KB of memory a second
			o.append(10*i, 200_000)
			time.Sleep(time.Second)
		}
		if o.released.Load() < 45 {
			t.Errorf("released = %d of 66: what waits must go to disk", o.released.Load())
		}
		if o.Err() == nil {
			t.Error("ready, though the endpoint has taken nothing for a minute")
		}
		o.down.Store(false)
		time.Sleep(30 * time.Second)
		o.append(660, 1000)
		time.Sleep(5 * time.Second)
		o.want(670)
		if st := o.Status(); o.released.Load() != 67 || st.Waiting.Items != 0 || st.Delivered != 670 {
			t.Errorf("released = %d, status = %+v", o.released.Load(), st)
		}
		o.stop()
	})
}

func TestCleanStopDuringAnOutageKeepsAllOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, r := t.TempDir(), receiver.New(receiver.Options{})
		o := newOutage(t, dir, 64<<20, r)
		o.down.Store(true)
		for i := range 20 {
			o.append(10*i, 500_000)
			time.Sleep(300 * time.Millisecond)
		}
		o.stop()
		if o.released.Load() != 20 {
			t.Errorf("released = %d of 20 after the stop", o.released.Load())
		}
		o = newOutage(t, dir, 64<<20, r)
		o.append(200, 1000) // new lines wait for the old ones
		time.Sleep(30 * time.Second)
		o.want(210)
		o.stop()
	})
}

func TestKilledDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, r := t.TempDir(), receiver.New(receiver.Options{})
		o := newOutage(t, dir, 64<<20, r)
		o.down.Store(true)
		for i := range 40 {
			o.append(10*i, 200_000)
			time.Sleep(500 * time.Millisecond)
		}
		killed := t.TempDir()
		if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		released := int(o.released.Load()) // number of batches that the positions have passed
		if released == 0 {
			t.Fatal("nothing is on disk")
		}
		again := newOutage(t, killed, 64<<20, receiver.New(receiver.Options{}))
		time.Sleep(30 * time.Second)
		again.want(10 * released)
		again.stop()
		o.stop()
	})
}

func TestFullDiskStopsReadingAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, t.TempDir(), 4_000, receiver.New(receiver.Options{})) // a few requests
		o.down.Store(true)
		for i := range 200 {
			o.append(10*i, 100_000)
			time.Sleep(100 * time.Millisecond)
		}
		if o.released.Load() == 0 || o.released.Load() > 100 {
			t.Errorf("released = %d of 200, want some, and no more than fit", o.released.Load())
		}
		if n := strings.Count(o.log.String(), "is full (buffer_max)"); n != 1 {
			t.Errorf("said %d times that the buffer is full, want once:\n%s", n, o.log)
		}
		o.down.Store(false)
		time.Sleep(2 * time.Minute)
		o.want(2000)
		if o.released.Load() != 200 {
			t.Errorf("released = %d of 200", o.released.Load())
		}
		o.stop()
	})
}

func TestBrokenDiskLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		o := newOutage(t, dir, 64<<20, receiver.New(receiver.Options{}))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		o.down.Store(true)
		for i := range 50 {
			o.append(10*i, 200_000)
			time.Sleep(200 * time.Millisecond)
		}
		o.down.Store(false)
		time.Sleep(time.Minute)
		o.want(500)
		o.stop()
	})
}

// backlog returns an outage that starts with 600 lines on disk, in many segments. The first request is
// being sent to a backend that is unavailable until Respond(nil). Its files are in order.
func backlog(t *testing.T) (o *outage, files []string) {
	t.Helper()
	dir, r := t.TempDir(), receiver.New(receiver.Options{})
	o = newOutage(t, dir, 32_000, r)
	o.down.Store(true)
	for i := range 60 {
		o.append(10*i, 300_000)
		time.Sleep(500 * time.Millisecond)
	}
	o.stop()
	r.Respond(func(*http.Request, []byte) (int, http.Header, string, bool) { return 503, nil, "", true })
	o = newOutage(t, dir, 32_000, r)
	time.Sleep(5 * time.Second)
	files, err := filepath.Glob(filepath.Join(dir, "*.segment"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d segments, err = %v: want a few", len(files), err)
	}
	return o, files
}

func TestUnreadableDiskIsSaidAndNothingPassesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, files := backlog(t)
		aside := filepath.Join(t.TempDir(), "aside")
		if err := os.Rename(files[1], aside); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(files[1], 0o700); err != nil { // can be opened, but not read
			t.Fatal(err)
		}
		o.receiver.Respond(nil)
		for i := range 20 {
			o.append(600+10*i, 300_000)
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(2*time.Minute + time.Second/2) // between two attempts
		if err := o.Err(); err == nil || !strings.Contains(err.Error(), "cannot be read") || !strings.Contains(err.Error(), files[1]) || !strings.Contains(err.Error(), "move that file away") {
			t.Errorf("ready: err = %v, want what cannot be read and what to do", err)
		}
		if st := o.Status(); st.Waiting.Items == 0 || !strings.Contains(st.LastError, files[1]) {
			t.Errorf("status = %+v", st)
		}
		if o.released.Load() != 20 {
			t.Errorf("released = %d of 20: what waits must go to disk", o.released.Load())
		}
		if n := strings.Count(o.log.String(), "cannot be read"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, o.log)
		}
		if err := os.Remove(files[1]); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(aside, files[1]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		o.want(800)
		if err := o.Err(); err != nil || o.Status().Waiting.Items != 0 {
			t.Errorf("afterwards: err = %v, status = %+v", err, o.Status())
		}
		o.stop()
	})
}

func TestDamageOnDiskIsCountedAndPassed(t *testing.T) {
	for name, damage := range map[string]func(file string) error{
		"a wrong byte": func(file string) error {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			b[len(b)-1] ^= 1
			return os.WriteFile(file, b, 0o600)
		},
		"the file is gone": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, files := backlog(t)
				if err := damage(files[1]); err != nil {
					t.Fatal(err)
				}
				o.receiver.Respond(nil)
				o.append(600, 1000)
				time.Sleep(time.Minute)
				got, last := 0, -1
				for _, s := range o.receiver.Streams() {
					for _, e := range s.Entries {
						n := -1
						if _, err := fmt.Sscanf(e.Line, "line %d", &n); err != nil || n <= last {
							t.Fatalf("%q after line %d, err = %v", e.Line, last, err)
						}
						got, last = got+1, n
					}
				}
				dropped := o.dropped("buffer_damaged")
				if dropped == 0 || got+dropped != 610 || last != 609 {
					t.Errorf("%d lines up to %d, %d dropped, want 610 together", got, last, dropped)
				}
				if n := strings.Count(o.log.String(), "damaged: they are dropped"); n != 1 || o.Err() != nil || o.Status().Waiting.Items != 0 {
					t.Errorf("said %d times, want once; err = %v, status = %+v; log:\n%s", n, o.Err(), o.Status(), o.log)
				}
				o.stop()
			})
		})
	}
}

// dropped returns the number of lines dropped for a reason.
func (o *outage) dropped(reason string) (n int) {
	all, err := o.reg.Gather()
	if err != nil {
		o.t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "lighter_log_lines_dropped_total" && l.GetValue() == reason {
					n += int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return n
}

// What the endpoint has taken is acknowledged even if lines arrive as fast as they go to disk. Otherwise it
// would be sent again if the agent were killed then.
func TestSpillingDoesNotHoldUpAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := receiver.New(receiver.Options{})
		o := newOutage(t, t.TempDir(), 64<<20, r)
		const batches = 5000
		var sent atomic.Int32
		var requests atomic.Int32
		answer := make(chan struct{})
		o.handler.Store(func(w http.ResponseWriter, req *http.Request) {
			if requests.Add(1) == 1 {
				<-answer
			}
			r.ServeHTTP(w, req)
		})
		s := lighter.NewStream(labels.FromStrings("service", "api"))
		var next func()
		next = func() { // each batch that is on disk makes room for another
			n := sent.Add(1)
			if n == 10 {
				close(answer)
			}
			if n == batches || requests.Load() > 1 {
				return // the first request is acknowledged, because the second one is being sent
			}
			runtime.Gosched()
			b := &lighter.Batch{Streams: []*lighter.Stream{s}, Bytes: 1000, Entries: []lighter.Entry{{Time: int64(n), Line: fmt.Appendf(nil, "line %d %s", n, strings.Repeat("x", 20_000))}}}
			b.Begin(next)
			handOn(o.Endpoint, b)
		}
		next()
		time.Sleep(time.Minute)
		if n := sent.Load(); n == batches {
			t.Errorf("%d batches went to disk before the request that the endpoint had taken was acknowledged", n)
		}
		o.stop()
	})
}
