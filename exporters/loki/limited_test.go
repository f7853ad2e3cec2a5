package loki_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/exporters/loki"
	"lighter/exporters/receiver"
)

// service is one container that writes numbered lines.
type service struct {
	o        *outage
	stream   *lighter.Stream
	written  int
	released atomic.Int32 // lines
}

func (o *outage) service(name string) *service {
	return &service{o: o, stream: lighter.NewStream(labels.FromStrings("service", name))}
}

// batch returns the next n lines of the given size.
func (s *service) batch(n, size int) *lighter.Batch {
	b := &lighter.Batch{Streams: []*lighter.Stream{s.stream}, Bytes: n * size}
	for range n {
		s.written++
		line := fmt.Appendf(nil, "line %d ", s.written)
		for len(line) < size {
			line = fmt.Appendf(line, "%x", s.written*len(line)*7919) // so that it does not compress to nothing
		}
		b.Entries = append(b.Entries, lighter.Entry{Time: time.Now().UnixNano() + int64(s.written), Line: line})
	}
	b.Begin(func() { s.released.Add(int32(n)) })
	return b
}

func (s *service) write(n int) { handOn(s.o.Endpoint, s.batch(n, 100)) }

// arrived returns the number of the service's lines that the receiver has, which must be the first ones, in
// order.
func (s *service) arrived() int {
	s.o.t.Helper()
	got := 0
	for _, one := range s.o.receiver.Streams(labels.MustNewMatcher(labels.MatchEqual, "service", s.stream.Labels.Get("service"))) {
		for _, e := range one.Entries {
			got++
			if want := fmt.Sprintf("line %d ", got); !strings.HasPrefix(e.Line, want) {
				s.o.t.Fatalf("%s: %.20q arrived where %q was to", one.Labels, e.Line, want)
			}
		}
	}
	return got
}

// wantAll checks that all written lines have arrived once and are released.
func (s *service) wantAll() {
	s.o.t.Helper()
	if n := s.arrived(); n != s.written || int(s.released.Load()) != s.written {
		s.o.t.Errorf("%s: %d lines written, %d arrived, %d released", s.stream.Labels, s.written, n, s.released.Load())
	}
	if st := s.o.receiver.PushStats(); st.Repeated != 0 || st.OutOfOrder != 0 {
		s.o.t.Errorf("%d lines came twice, %d out of order", st.Repeated, st.OutOfOrder)
	}
}

func noisyOnly(l labels.Labels) bool { return l.Get("service") == "noisy" }

// A stream that Loki limits waits, and no other does.
func TestLimitedStreamWaitsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, t.TempDir(), 64<<20, receiver.New(receiver.Options{}))
		o.receiver.Limit(noisyOnly)
		noisy, api, web := o.service("noisy"), o.service("api"), o.service("web")
		for range 60 {
			noisy.write(30)
			api.write(5)
			web.write(2)
			time.Sleep(time.Second)
			if a, w := api.arrived(), web.arrived(); a < api.written-5 || w < web.written-2 {
				t.Fatalf("of %d and %d lines %d and %d arrived: what is written must arrive within its usual second", api.written, web.written, a, w)
			}
		}
		if n := noisy.arrived(); n != 0 {
			t.Fatalf("%d lines arrived of the stream that is refused", n)
		}
		if st := o.Status(); o.Err() != nil || !st.Up || st.Waiting.Items < noisy.written-30 {
			t.Errorf("ready = %v, status = %+v: want an endpoint that is well, and the lines of one stream to wait", o.Err(), st)
		}
		if requests := o.receiver.Requests(); requests > 200 {
			t.Errorf("%d requests in a minute", requests)
		}
		o.receiver.Limit(nil)
		time.Sleep(20 * time.Second)
		noisy.write(1)
		time.Sleep(2 * time.Minute)
		for _, s := range []*service{noisy, api, web} {
			s.wantAll()
		}
		if st := o.Status(); st.Waiting.Items != 0 || int(st.Delivered) != noisy.written+api.written+web.written {
			t.Errorf("status = %+v", st)
		}
		if log := o.log.String(); strings.Count(log, "level=WARN") != 1 || strings.Count(log, "over its limit") != 1 || strings.Count(log, "accepts the stream again") != 1 || strings.Count(log, "\n") != 2 {
			t.Errorf("log: want one line that the stream waits, and one that it ended:\n%s", log)
		}
		o.stop()
	})
}

// Reading stops only for the refused stream, when its waiting data fills its share of the disk.
func TestLimitedStreamIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxBytes = 4 << 20
		o := newOutage(t, t.TempDir(), maxBytes, receiver.New(receiver.Options{}))
		o.receiver.Limit(noisyOnly)
		noisy, api := o.service("noisy"), o.service("api")
		var blocked atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range 1000 {
				b := noisy.batch(10, 2000)
				blocked.Store(true)
				handOn(o.Endpoint, b)
				blocked.Store(false)
				time.Sleep(10 * time.Millisecond)
			}
		}()
		for range 60 {
			api.write(1)
			time.Sleep(time.Second)
		}
		if n := api.arrived(); n < 59 {
			t.Errorf("%d of 60 lines of the other stream arrived", n)
		}
		if st := o.Status(); !blocked.Load() || st.Waiting.Bytes < maxBytes/5 || st.Waiting.Bytes > maxBytes/3 {
			t.Errorf("blocked = %v, status = %+v: want reading to have stopped at a quarter of %d", blocked.Load(), st, maxBytes)
		}
		o.receiver.Limit(nil)
		<-ended
		time.Sleep(time.Minute)
		noisy.wantAll()
		api.wantAll()
		o.stop()
	})
}

// The waiting data of a stream arrives after a stop or a kill of the agent, once and before later data.
func TestLimitedStreamOverRestarts(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%v", killed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, r := t.TempDir(), receiver.New(receiver.Options{})
				r.Limit(noisyOnly)
				o := newOutage(t, dir, 64<<20, r)
				noisy, api := o.service("noisy"), o.service("api")
				for range 20 {
					noisy.write(30)
					api.write(1)
					time.Sleep(time.Second)
				}
				time.Sleep(2 * time.Second)
				if killed {
					next := t.TempDir()
					if err := os.CopyFS(next, os.DirFS(dir)); err != nil {
						t.Fatal(err)
					}
					dir = next
				} else {
					noisy.write(30) // and what is on its way
				}
				before := time.Now()
				o.stop()
				if d := time.Since(before); d > 0 && !killed {
					t.Errorf("the stop took %s, though the endpoint takes what it is to take", d)
				}
				time.Sleep(time.Second)
				o = newOutage(t, dir, 64<<20, r)
				noisy.o, api.o = o, o
				for range 20 {
					noisy.write(30)
					api.write(1)
					time.Sleep(time.Second)
				}
				if api.arrived() < 39 || noisy.arrived() != 0 {
					t.Errorf("%d of 40 lines arrived, and %d of the stream that is refused", api.arrived(), noisy.arrived())
				}
				r.Limit(nil)
				time.Sleep(time.Minute)
				noisy.wantAll()
				api.wantAll()
				o.stop()
			})
		})
	}
}

// A stream is refused while the endpoint lags and everything goes through the disk.
func TestLimitedStreamWhileTheEndpointLags(t *testing.T) {
	for name, maxBytes := range map[string]int64{"with room": 64 << 20, "with a full disk": 60_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t, t.TempDir(), maxBytes, receiver.New(receiver.Options{}))
				noisy, api := o.service("noisy"), o.service("api")
				readers := map[*service]chan *lighter.Batch{noisy: make(chan *lighter.Batch, 1000), api: make(chan *lighter.Batch, 1000)}
				for _, batches := range readers {
					defer close(batches)
					go func() {
						for b := range batches {
							handOn(o.Endpoint, b)
						}
					}()
				}
				both := func(seconds int) {
					for range seconds {
						for s, batches := range readers {
							b := s.batch(20, 100)
							b.Bytes = 200_000
							batches <- b
						}
						time.Sleep(time.Second)
					}
				}
				both(5)
				o.receiver.Limit(noisyOnly)
				both(10)
				o.down.Store(true)
				both(60)
				o.down.Store(false)
				both(30)
				if n := api.arrived(); n < api.written-40 {
					t.Errorf("%d of %d lines of the other stream arrived", n, api.written)
				}
				o.down.Store(true)
				both(20)
				o.receiver.Limit(nil)
				both(5)
				o.down.Store(false)
				both(5)
				time.Sleep(3 * time.Minute)
				noisy.wantAll()
				api.wantAll()
				o.stop()
			})
		})
	}
}

// A stream is refused while the disk fails: nothing is lost or sent twice nevertheless.
func TestLimitedStreamWithoutADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		o := newOutage(t, dir, 64<<20, receiver.New(receiver.Options{}))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		o.receiver.Limit(noisyOnly)
		noisy, api := o.service("noisy"), o.service("api")
		for range 10 {
			noisy.write(10)
			api.write(10)
			time.Sleep(time.Second)
		}
		o.receiver.Limit(nil)
		time.Sleep(time.Minute)
		noisy.wantAll()
		api.wantAll()
		o.stop()
	})
}

// A stream is refused in requests that are too large and are sent in parts.
func TestLimitedStreamInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, t.TempDir(), 64<<20, receiver.New(receiver.Options{}))
		n := &narrow{t: t}
		n.left.Store(1 << 20)
		o.receiver.Respond(n.respond)
		o.receiver.Limit(noisyOnly)
		noisy, api := o.service("noisy"), o.service("api")
		for range 20 {
			api.write(5)
			noisy.write(20)
			api.write(5)
			time.Sleep(time.Second)
		}
		if a, n := api.arrived(), noisy.arrived(); a < api.written-10 || n != 0 {
			t.Errorf("%d of %d lines arrived, and %d of the stream that is refused", a, api.written, n)
		}
		o.receiver.Limit(nil)
		time.Sleep(time.Minute)
		noisy.wantAll()
		api.wantAll()
		o.stop()
	})
}

// A pause that Loki requests with the refusal of a stream applies to that stream.
func TestLimitedStreamWithRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, t.TempDir(), 64<<20, receiver.New(receiver.Options{}))
		noisy, api := o.service("noisy"), o.service("api")
		var mu sync.Mutex
		var refused []time.Time
		o.receiver.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
			r, err := receiver.DecodePush(body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, s := range r.Streams {
				if strings.Contains(s.Labels, "noisy") && len(refused) < 3 {
					if refused = append(refused, time.Now()); len(r.Streams) > 1 {
						t.Error("the first request has both streams")
					}
					return 429, http.Header{"Retry-After": {"30"}}, "Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '" + s.Labels + "' totaling 1kB", true
				}
			}
			return 0, nil, "", false
		})
		noisy.write(1)
		time.Sleep(2 * time.Second)
		for range 58 {
			noisy.write(1)
			api.write(1)
			time.Sleep(time.Second)
		}
		if n := api.arrived(); n < 57 {
			t.Errorf("%d of 58 lines of the other stream arrived", n)
		}
		time.Sleep(2 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(refused) != 3 || refused[1].Sub(refused[0]) != 30*time.Second || refused[2].Sub(refused[1]) != 30*time.Second {
			t.Errorf("refused at %v: want pauses of 30 s", refused)
		}
		noisy.wantAll()
		api.wantAll()
		o.stop()
	})
}

// A stop ends an Append that waits because of a stream that is refused.
func TestAppendForALimitedStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, t.TempDir(), 40_000, receiver.New(receiver.Options{}))
		o.receiver.Limit(noisyOnly)
		noisy := o.service("noisy")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for ctx.Err() == nil {
			b := noisy.batch(10, 1000)
			if err := o.Append(ctx, b); err == nil {
				b.Done()
			} else if ctx.Err() == nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := noisy.released.Load(); n == 0 || int(n) == noisy.written {
			t.Errorf("%d of %d lines released", n, noisy.written)
		}
		o.stop()
	})
}

// The status says which streams wait, for how long, why, and when they are tried again.
func TestStatusOfLimitedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, r := t.TempDir(), receiver.New(receiver.Options{})
		secret := func(c *loki.Config) { c.HTTP.Authorization = &promconfig.Authorization{Credentials: "s3cr3t-t0ken"} }
		o := newOutageOf(t, dir, 64<<20, r, secret)
		if st := o.Status(); st.HeldStreams != 0 || st.Held != nil {
			t.Errorf("status = %+v before anything is refused", st)
		}
		r.Respond(func(_ *http.Request, body []byte) (int, http.Header, string, bool) {
			push, err := receiver.DecodePush(body)
			if err != nil {
				t.Error(err)
			}
			for _, s := range push.Streams {
				if strings.Contains(s.Labels, "noisy") {
					time.Sleep(time.Second)
					words := "Per stream rate limit exceeded, says the backend that knows s3cr3t-t0ken: '" + s.Labels + "' " + strings.Repeat("é", 10_000)
					return 429, http.Header{"Retry-After": {"30"}}, words, true
				}
			}
			return 0, nil, "", false
		})
		noisy, api := o.service("noisy"), o.service("api")
		noisy.write(3)
		time.Sleep(2 * time.Second)
		noisy.write(4) // waits behind them
		api.write(1)
		began := time.Now()
		time.Sleep(2 * time.Second)
		st := o.Status()
		if st.HeldStreams != 1 || len(st.Held) != 1 {
			t.Fatalf("status = %+v: want one stream to be held", st)
		}
		h := st.Held[0]
		if h.Labels != `{service="noisy"}` || h.Waiting.Items != 7 || h.Waiting.Bytes == 0 || h.Since.After(began) || h.Since.Before(began.Add(-3*time.Second)) {
			t.Errorf("held = %+v: want the 7 lines of the stream, the first of which came before %s", h, began)
		}
		if next := time.Until(h.NextAttempt); next <= 0 || next > 30*time.Second {
			t.Errorf("the next attempt is in %s: want what is left of the 30 s that the backend asked for", next)
		}
		if !strings.HasPrefix(h.Text, "Per stream rate limit exceeded") || strings.Contains(h.Text, "s3cr3t") || len(h.Text) > 310 || !utf8.ValidString(h.Text) {
			t.Errorf("words = %q: want the beginning of the backend's, without the secret", h.Text)
		}
		o.stop()

		o = newOutageOf(t, dir, 64<<20, r, secret) // another process has heard nothing of it yet
		noisy.o, api.o = o, o
		if st := o.Status(); st.HeldStreams != 1 || st.Held[0].Text != "" || st.Held[0].Waiting.Items != 7 || !st.Held[0].Since.Equal(h.Since) {
			t.Errorf("status after a restart = %+v", st)
		}
		time.Sleep(2 * time.Second)
		if st := o.Status(); st.HeldStreams != 1 || st.Held[0].Text != h.Text {
			t.Errorf("status = %+v: want it to say again why the stream is held", st)
		}
		r.Respond(nil)
		time.Sleep(time.Minute)
		if st := o.Status(); st.HeldStreams != 0 || st.Held != nil {
			t.Errorf("status = %+v after all was taken", st)
		}
		noisy.wantAll()
		api.wantAll()
		o.stop()
	})
}

// However many streams are held, the status describes a few: those that are tried next.
func TestStatusOfManyLimitedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const services = 25
		o := newOutage(t, t.TempDir(), 64<<20, receiver.New(receiver.Options{}))
		o.receiver.Limit(func(labels.Labels) bool { return true })
		for i := range services {
			o.service(fmt.Sprint("service-", i)).write(1)
			time.Sleep(2 * time.Second) // Loki names one stream of a request
		}
		st := o.Status()
		if st.HeldStreams != services || len(st.Held) != 10 || st.Waiting.Items != services {
			t.Fatalf("%d streams and %d lines are held, of which %d are described", st.HeldStreams, st.Waiting.Items, len(st.Held))
		}
		if !slices.IsSortedFunc(st.Held, func(a, b loki.HeldStream) int { return a.NextAttempt.Compare(b.NextAttempt) }) {
			t.Errorf("held = %+v: want them in the order of their attempts", st.Held)
		}
		o.stop()
	})
}
