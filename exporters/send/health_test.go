package send_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter/exporters/send"
)

// A backend that alternately refuses and accepts does not fill the log. The recovery of a backend is logged
// if its failure was.
func TestFlappingIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := false
		b := newBench(func(n int, _ string) (*http.Response, error) {
			if away || n%2 == 1 {
				return status(429, fmt.Sprint("limit exceeded by ", n))
			}
			return status(204, "")
		})
		deliver := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			for ctx.Err() == nil {
				_ = b.Deliver(ctx, six())
			}
		}
		count := func(what string, want int) {
			t.Helper()
			if n := strings.Count(b.log.String(), what); n != want {
				t.Errorf("%q is said %d times, want %d:\n%s", what, n, want, b.log)
			}
		}
		deliver(59 * time.Second)
		count("does not take data", 1)
		count("works again", 1)
		away = true
		deliver(30 * time.Second)
		count("does not take data", 2)
		count("works again", 1)
		away = false
		deliver(20 * time.Second)
		count("does not take data", 2)
		count("works again", 2)
		if n := strings.Count(b.log.String(), "unlogged_failures="); n != 1 {
			t.Errorf("the second time does not say how many were not logged:\n%s", b.log)
		}
	})
}

// A held endpoint is logged as such, however recent another failure was.
func TestHeldIsLoggedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(n int, _ string) (*http.Response, error) {
			return status([]int{503, 401, 204}[n-1], "")
		})
		if err := b.Deliver(t.Context(), six()); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"status 503", "check the user and the token", "works again"} {
			if n := strings.Count(b.log.String(), want); n != 1 {
				t.Errorf("%q is said %d times, want once:\n%s", want, n, b.log)
			}
		}
	})
}

// Data that cannot be read counts as waiting, like data that is not taken.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(nil)
		for i := range 59 {
			b.Unreadable(errors.New([]string{"a disk is away", "a folder is away"}[i%2]))
			time.Sleep(time.Second)
		}
		if err := b.Err(); err != nil {
			t.Errorf("not ready within a minute: %v", err)
		}
		b.Unreadable(errors.New("a disk is away"))
		time.Sleep(time.Second)
		if err := b.Err(); err == nil || !strings.Contains(err.Error(), "a disk is away") || !strings.Contains(b.Status().LastError, "a disk is away") {
			t.Errorf("after a minute: err = %v, status = %+v", err, b.Status())
		}
		for range 2 {
			b.Unreadable(nil)
			if err := b.Err(); err != nil {
				t.Errorf("ended: %v", err)
			}
		}
		for _, want := range []string{"cannot be read", "can be read again"} {
			if n := strings.Count(b.log.String(), want); n != 1 {
				t.Errorf("%q is said %d times, want once:\n%s", want, n, b.log)
			}
		}
	})
}

func TestNotReadyAfterAMinuteAndAtOnceWhenHeld(t *testing.T) {
	for code, wantAfter := range map[int]time.Duration{503: time.Minute, 429: time.Minute, 401: 0, 403: 0, 404: 0, 407: 0, 260: 0} {
		synctest.Test(t, func(t *testing.T) {
			var fixed atomic.Bool
			b := newBench(func(int, string) (*http.Response, error) {
				if fixed.Load() {
					return status(204, "")
				}
				return status(code, "no")
			})
			done := make(chan error)
			start := time.Now()
			go func() { done <- b.Deliver(t.Context(), six()) }()
			synctest.Wait()
			for b.Err() == nil {
				time.Sleep(time.Second)
			}
			if after := time.Since(start); after != wantAfter {
				t.Errorf("%d: not ready after %s, want %s", code, after, wantAfter)
			}
			if !strings.Contains(b.Err().Error(), "letters") || b.up(t) != 0 {
				t.Errorf("%d: err = %v, up = %v: the endpoint is not named or up", code, b.Err(), b.up(t))
			}
			fixed.Store(true)
			if err := <-done; err != nil || b.Err() != nil || b.up(t) != 1 {
				t.Errorf("%d, fixed: err = %v, ready = %v, up = %v", code, err, b.Err(), b.up(t))
			}
			if d := testutil.ToFloat64(b.delivered); d != 6 {
				t.Errorf("%d, fixed: delivered = %v, want 6", code, d)
			}
		})
	}
}

// An old refusal says nothing about the request in progress.
func TestOneRefusalThenAQuietTimeThenAGoodLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(n int, _ string) (*http.Response, error) {
			if n == 2 {
				return status(400, "no")
			}
			time.Sleep(5 * time.Second)
			return status(204, "")
		})
		deliver := func() {
			if err := b.Deliver(t.Context(), six()); err != nil {
				t.Error(err)
			}
		}
		deliver()
		deliver()
		time.Sleep(10 * time.Minute)
		done := make(chan struct{})
		go func() {
			defer close(done)
			deliver()
		}()
		time.Sleep(4 * time.Second)
		if b.Err() != nil || b.up(t) != 1 || !b.Status().Up {
			t.Errorf("while the request is under way for 4 s: ready = %v, up = %v, status = %+v", b.Err(), b.up(t), b.Status())
		}
		<-done
	})
}

// One request that fails for a while before it is refused still counts as one refusal.
func TestOneLateRefusalThenAQuietTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := newBench(func(n int, _ string) (*http.Response, error) {
			switch {
			case n == 1:
				return status(204, "")
			case time.Since(start) < 2*time.Minute:
				return status(503, "starting")
			}
			return status(400, "no")
		})
		for range 2 {
			if err := b.Deliver(t.Context(), six()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		if err := b.Err(); err != nil {
			t.Errorf("ten minutes after a single refusal: %v", err)
		}
	})
}

// The parts of a request that is too large wait as long as the whole.
func TestSlowAnswersThatAllPartsAreTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(int, string) (*http.Response, error) {
			time.Sleep(9 * time.Second)
			return status(413, "too large")
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = b.Deliver(ctx, send.Request{Body: make([]byte, 1<<10), Items: 1 << 10})
		}()
		time.Sleep(61 * time.Second)
		if err := b.Err(); err == nil {
			t.Error("ready after 61 s in which nothing was taken")
		}
		cancel()
		<-done
	})
}

// blackHole takes requests and never answers.
type blackHole struct{}

func (blackHole) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestBlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(nil)
		b.Sender = send.New(send.Options{Endpoint: "hole", URL: "http://hole.test/", Client: &http.Client{Transport: blackHole{}}, Protocol: letters{}, Timeout: 10 * time.Second,
			Delivered: b.delivered, Dropped: b.dropped, Metrics: send.NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.NewTextHandler(b.log, nil))})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		done := make(chan error)
		go func() { done <- b.Deliver(ctx, six()) }()
		time.Sleep(90 * time.Second)
		if err := b.Err(); err == nil || !strings.Contains(err.Error(), "no response within 10s") {
			t.Errorf("ready after 90 s of silence: err = %v", err)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want that ctx has ended", err)
		}
	})
}
