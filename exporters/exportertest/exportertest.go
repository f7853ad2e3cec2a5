// Package exportertest tests what every exporter must do: deliver in order, retry, keep waiting items
// across a restart, and stop in time.
//
// The package of an exporter calls Run from a test, with a Backend that makes its endpoints and reads their
// requests. All tests run on the clock of testing/synctest.
package exportertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/exporters/send"
)

// Backend is one kind of exporter. Its items are numbered, and must all arrive in order: entries of one
// stream, or samples of one shard. Twenty items on disk make a request.
type Backend struct {
	// New returns an endpoint. It sends to any URL, using o.Client.
	New func(tb testing.TB, o Options) Endpoint
	// Items returns the numbers of the items in a request, in order.
	Items func(body []byte) ([]int, error)
}

// Options configure an endpoint under test.
type Options struct {
	Dir          string // of its queue
	MaxBytes     int64  // limit of its queue
	Client       *http.Client
	FlushTimeout time.Duration
	Registry     *prometheus.Registry
	Logger       *slog.Logger
}

// Endpoint is an endpoint under test.
type Endpoint interface {
	// Append hands on n items, numbered from from.
	Append(ctx context.Context, from, n int) error
	Run(ctx context.Context) error
	// Close is called after Run.
	Close() error
	Err() error
	// Status returns the endpoint's state, and the number of waiting items.
	Status() (st send.Status, waiting int)
}

// Run runs all tests with a backend.
func Run(t *testing.T, b Backend) {
	for name, test := range map[string]func(*suite){
		"delivers in order":                      (*suite).inOrder,
		"tries again after a failure":            (*suite).triesAgain,
		"waits as long as it is asked to":        (*suite).retryAfter,
		"keeps what waits over a restart":        (*suite).overRestart,
		"counts and drops what is refused":       (*suite).refused,
		"splits what is too large":               (*suite).tooLarge,
		"holds while it is not let in":           (*suite).notLetIn,
		"stops in time":                          (*suite).stopsInTime,
		"sends nothing twice after a clean stop": (*suite).cleanStops,
		"remembers what of a backlog is taken":   (*suite).partOfBacklog,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(&suite{TB: t, backend: b, dir: t.TempDir()})
			})
		})
	}
}

// suite is one test: a server, and one endpoint after another.
type suite struct {
	testing.TB
	backend  Backend
	dir      string
	appended int

	mu       sync.Mutex
	respond  func(ctx context.Context, items []int) (status int, header http.Header) // status 0 takes the items
	taken    []int
	requests []time.Time
}

const flushTimeout = 5 * time.Second

// RoundTrip implements the server.
func (s *suite) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	items, err := s.backend.Items(body)
	if err != nil {
		s.Error(err)
	}
	s.mu.Lock()
	respond := s.respond
	s.requests = append(s.requests, time.Now())
	s.mu.Unlock()
	status, header := 0, http.Header(nil)
	if respond != nil {
		status, header = respond(r.Context(), items)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if header == nil {
		header = http.Header{}
	}
	text := ""
	if status == 0 {
		status = http.StatusNoContent
		s.mu.Lock()
		s.taken = append(s.taken, items...)
		s.mu.Unlock()
	} else {
		text = "no"
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader([]byte(text)))}, nil
}

func (s *suite) respondWith(respond func(ctx context.Context, items []int) (int, http.Header)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.respond = respond
}

// always makes the server respond with a status.
func (s *suite) always(status int) {
	s.respondWith(func(context.Context, []int) (int, http.Header) { return status, nil })
}

// running is a running endpoint.
type running struct {
	Endpoint
	suite *suite
	end   context.CancelFunc
	ended chan error
}

func (s *suite) start() *running {
	s.Helper()
	e := s.backend.New(s, Options{
		Dir: s.dir, MaxBytes: 64 << 20, Client: &http.Client{Transport: s}, FlushTimeout: flushTimeout,
		Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Endpoint: e, suite: s, end: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- e.Run(ctx) }()
	return r
}

// append hands on the next n items.
func (r *running) append(n int) {
	r.suite.Helper()
	if err := r.Append(context.Background(), r.suite.appended, n); err != nil {
		r.suite.Fatal(err)
	}
	r.suite.appended += n
}

// stop ends the endpoint, which must not take longer than its flush timeout.
func (r *running) stop() {
	r.suite.Helper()
	begun := time.Now()
	r.end()
	if err := errors.Join(<-r.ended, r.Close()); err != nil {
		r.suite.Error(err)
	}
	if d := time.Since(begun); d > flushTimeout {
		r.suite.Errorf("the stop took %s of at most %s", d, flushTimeout)
	}
}

// wantTaken checks that the server has taken all appended items, except but, once and in order.
func (s *suite) wantTaken(but ...int) {
	s.Helper()
	var want []int
	for i := range s.appended {
		if !slices.Contains(but, i) {
			want = append(want, i)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.taken, want) {
		s.Errorf("the server has taken %d items, want %d, each once and in order: %v", len(s.taken), len(want), s.taken)
	}
}

// wantStatus checks what the endpoint counts.
func (r *running) wantStatus(delivered, dropped, waiting int) {
	r.suite.Helper()
	st, n := r.Status()
	lost := 0
	for _, n := range st.Dropped {
		lost += int(n)
	}
	if int(st.Delivered) != delivered || lost != dropped || n != waiting {
		r.suite.Errorf("%d items are delivered, %d dropped, %d wait; want %d, %d, %d", st.Delivered, lost, n, delivered, dropped, waiting)
	}
}

func (s *suite) inOrder() {
	e := s.start()
	for i := range 50 {
		e.append(1 + i%7)
		time.Sleep(time.Duration(i%5) * 100 * time.Millisecond)
	}
	time.Sleep(10 * time.Second)
	s.wantTaken()
	e.wantStatus(s.appended, 0, 0)
	if err := e.Err(); err != nil {
		s.Error(err)
	}
	e.stop()
}

func (s *suite) triesAgain() {
	failures := []int{500, 429, 502, 408, 503, 504}
	s.respondWith(func(context.Context, []int) (int, http.Header) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if n := len(s.requests); n <= len(failures) {
			return failures[n-1], nil
		}
		return 0, nil
	})
	e := s.start()
	e.append(10)
	time.Sleep(3 * time.Second)
	e.append(10)
	if _, waiting := e.Status(); waiting != 20 {
		s.Errorf("%d items wait, want 20", waiting)
	}
	time.Sleep(2 * time.Minute)
	s.wantTaken()
	e.wantStatus(20, 0, 0)
	e.stop()
}

func (s *suite) retryAfter() {
	s.respondWith(func(context.Context, []int) (int, http.Header) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.requests) == 1 {
			return 429, http.Header{"Retry-After": {"40"}}
		}
		return 0, nil
	})
	e := s.start()
	e.append(10)
	time.Sleep(20 * time.Second)
	e.append(10)
	time.Sleep(time.Minute)
	s.wantTaken()
	s.mu.Lock()
	pause := s.requests[1].Sub(s.requests[0])
	s.mu.Unlock()
	if pause != 40*time.Second {
		s.Errorf("asked again after %s, want 40 s", pause)
	}
	e.stop()
}

func (s *suite) overRestart() {
	s.always(503)
	for range 3 {
		e := s.start()
		e.append(20)
		time.Sleep(20 * time.Second)
		e.append(20)
		e.stop()
	}
	s.respondWith(nil)
	e := s.start()
	e.append(20)
	time.Sleep(30 * time.Second)
	s.wantTaken()
	e.wantStatus(s.appended, 0, 0)
	e.stop()
}

func (s *suite) refused() {
	s.respondWith(func(_ context.Context, items []int) (int, http.Header) {
		if slices.Contains(items, 15) {
			return 400, nil
		}
		return 0, nil
	})
	e := s.start()
	for range 3 {
		e.append(10)
		time.Sleep(10 * time.Second)
	}
	s.wantTaken(10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
	e.wantStatus(20, 10, 0)
	if err := e.Err(); err != nil {
		s.Errorf("an endpoint that takes the rest is not well: %v", err)
	}
	e.stop()
}

func (s *suite) tooLarge() {
	s.respondWith(func(_ context.Context, items []int) (int, http.Header) {
		if len(items) > 3 {
			return 413, nil
		}
		return 0, nil
	})
	e := s.start()
	e.append(50)
	time.Sleep(10 * time.Second)
	e.append(50)
	time.Sleep(10 * time.Second)
	s.wantTaken()
	e.wantStatus(100, 0, 0)
	e.stop()
}

func (s *suite) notLetIn() {
	for _, status := range []int{401, 403, 404, 407} {
		s.always(status)
		e := s.start()
		e.append(10)
		time.Sleep(10 * time.Second)
		if e.Err() == nil {
			s.Errorf("status %d: ready", status)
		}
		e.wantStatus(0, 0, 10)
		s.respondWith(nil)
		time.Sleep(30 * time.Second)
		s.wantTaken()
		if err := e.Err(); err != nil {
			s.Errorf("status %d is over: %v", status, err)
		}
		e.stop()
	}
}

func (s *suite) stopsInTime() {
	s.respondWith(func(ctx context.Context, _ []int) (int, http.Header) {
		<-ctx.Done() // a black hole
		return 0, nil
	})
	e := s.start()
	e.append(10)
	time.Sleep(20 * time.Second)
	e.append(10)
	time.Sleep(100 * time.Millisecond)
	e.append(10)
	e.stop()
	s.respondWith(nil)
	e = s.start()
	time.Sleep(20 * time.Second)
	s.wantTaken()
	e.stop()
}

func (s *suite) partOfBacklog() {
	s.always(503)
	e := s.start()
	for range 10 {
		e.append(20)
		time.Sleep(10 * time.Second)
	}
	e.stop()
	for range 3 {
		left := 2 // requests to take before the server fails again
		s.respondWith(func(context.Context, []int) (int, http.Header) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if left--; left < 0 {
				return 503, nil
			}
			return 0, nil
		})
		e := s.start()
		time.Sleep(20 * time.Second)
		e.stop()
	}
	if n := len(s.taken); n == 0 || n == s.appended {
		s.Errorf("%d of %d items are taken, want a part", n, s.appended)
	}
	s.respondWith(nil)
	e = s.start()
	time.Sleep(20 * time.Second)
	s.wantTaken()
	e.stop()
}

func (s *suite) cleanStops() {
	s.respondWith(func(ctx context.Context, _ []int) (int, http.Header) {
		time.Sleep(300 * time.Millisecond)
		return 0, nil
	})
	for life := range 20 {
		e := s.start()
		for range 5 {
			e.append(7)
			time.Sleep(time.Duration(life) * 50 * time.Millisecond)
		}
		e.stop()
		if _, waiting := e.Status(); waiting != 0 {
			s.Errorf("%d items wait after a stop with time to flush", waiting)
		}
	}
	s.wantTaken()
}
