package send_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter/exporters/send"
)

// An endpoint that accepts requests without data but no data is unhealthy, whatever its response to the
// former.
func TestHealthIsAboutData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limited atomic.Bool
		limited.Store(true)
		b := newBench(func(_ int, body string) (*http.Response, error) {
			if body != "" && limited.Load() {
				return status(429, "ingestion limit exceeded")
			}
			return status(204, "")
		})
		done := make(chan error, 1)
		start := time.Now()
		go func() { done <- b.Deliver(t.Context(), six()) }()
		for time.Since(start) < time.Hour {
			if err := b.Deliver(t.Context(), send.Request{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Second)
			if b.up(t) != 0 || b.Status().Up {
				t.Fatalf("up after %s, though it has taken nothing but metadata", time.Since(start))
			}
			if err := b.Err(); (err != nil) != (time.Since(start) >= time.Minute) {
				t.Fatalf("after %s: ready = %v", time.Since(start), err)
			}
		}
		limited.Store(false)
		if err := <-done; err != nil || b.Err() != nil || b.up(t) != 1 {
			t.Errorf("after it has taken data: err = %v, ready = %v, up = %v", err, b.Err(), b.up(t))
		}
		for _, what := range []string{"does not take data", "works again"} {
			if n := strings.Count(b.log.String(), what); n != 1 {
				t.Errorf("%q is logged %d times in an hour, want once:\n%s", what, n, b.log)
			}
		}
	})
}

// Failed requests without data say nothing about an endpoint that accepts data.
func TestRequestsWithoutDataDoNotDegradeHealth(t *testing.T) {
	for code, text := range map[int]string{400: "metadata is not known here", 401: "no", 404: "no", 429: "slow down", 503: "no"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(func(_ int, body string) (*http.Response, error) {
				if body == "" {
					return status(code, text)
				}
				return status(204, "")
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = b.Deliver(ctx, send.Request{})
			}()
			for ctx.Err() == nil {
				if err := b.Deliver(t.Context(), six()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				if b.Err() != nil || b.up(t) != 1 || b.Status().LastError != "" {
					t.Fatalf("%d: ready = %v, up = %v, status = %+v", code, b.Err(), b.up(t), b.Status())
				}
			}
			<-done
			if strings.Contains(b.log.String(), "refused data") {
				t.Errorf("%d: no data was refused:\n%s", code, b.log)
			}
		})
	}
}

// While one request is taken, another may continue to wait, and its waiting is not forgotten.
func TestWhatIsTakenDoesNotHideWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(_ int, body string) (*http.Response, error) {
			if body == "stuck" {
				return status(503, "no")
			}
			return status(204, "")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = b.Deliver(ctx, send.Request{Body: []byte("stuck"), Items: 5})
		}()
		time.Sleep(30 * time.Second)
		if err := b.Deliver(t.Context(), six()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if err := b.Err(); err != nil {
			t.Errorf("59 s after something was taken: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := b.Err(); err == nil {
			t.Error("ready a minute after the last was taken, though something waits")
		}
		cancel()
		<-done
	})
}

// The half of a request that is taken does not hide that the other half waits.
func TestHalfOfARequestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(_ int, body string) (*http.Response, error) {
			switch body {
			case "abcdef":
				return status(413, "")
			case "abc":
				return status(204, "")
			}
			return status(429, "slow down")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = b.Deliver(ctx, six())
		}()
		time.Sleep(61 * time.Second)
		if err := b.Err(); err == nil || !strings.Contains(err.Error(), "slow down") {
			t.Errorf("ready = %v, want it to say that half of the request waits", err)
		}
		<-done
	})
}

// An endpoint that refuses everything is unhealthy after a minute, with its own error text, until it takes
// something.
func TestAllIsRefused(t *testing.T) {
	for name, code := range map[string]int{"400": 400, "413 down to single items": 413} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refusing := true
				b := newBench(func(int, string) (*http.Response, error) {
					if refusing {
						return status(code, "no")
					}
					return status(204, "")
				})
				start := time.Now()
				deliver := func() {
					if err := b.Deliver(t.Context(), sixLarge()); err != nil {
						t.Fatal(err)
					}
				}
				for time.Since(start) < 10*time.Minute {
					deliver()
					want := 1.0
					if time.Since(start) >= time.Minute {
						want = 0
					}
					if err := b.Err(); (err == nil) != (want == 1) || b.up(t) != want || b.Status().Up != (want == 1) {
						t.Fatalf("after %s: ready = %v, up = %v, status = %+v", time.Since(start), err, b.up(t), b.Status())
					}
					time.Sleep(5 * time.Second)
				}
				if err := b.Err(); !strings.Contains(err.Error(), "no") || !b.Status().Since.Equal(start) {
					t.Errorf("ready = %v, down since %s, want the endpoint's words and %s", err, b.Status().Since, start)
				}
				if d := testutil.ToFloat64(b.delivered); d != 0 || b.Status().Delivered != 0 {
					t.Errorf("%v delivered, status = %+v, want none", d, b.Status())
				}
				refusing = false
				deliver()
				if b.Err() != nil || b.up(t) != 1 || !b.Status().Up || !b.Status().Since.IsZero() {
					t.Errorf("after it has taken something: ready = %v, up = %v, status = %+v", b.Err(), b.up(t), b.Status())
				}
			})
		})
	}
}

// If an endpoint takes data and refuses some, the data is the reason, and the endpoint is healthy.
func TestSomeIsRefused(t *testing.T) {
	for name, answer := range map[string]func(n int) string{
		"a part of each request":   func(int) string { return "too_old" },
		"every second request":     func(n int) string { return []string{"", "no"}[n%2] },
		"one whole request of all": func(n int) string { return map[bool]string{true: "no"}[n == 3] },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(func(n int, _ string) (*http.Response, error) {
					if text := answer(n); text != "" {
						return status(400, text)
					}
					return status(204, "")
				})
				for range 40 {
					if err := b.Deliver(t.Context(), six()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(10 * time.Second)
					if b.Err() != nil || b.up(t) != 1 || !b.Status().Up {
						t.Fatalf("ready = %v, up = %v, status = %+v", b.Err(), b.up(t), b.Status())
					}
				}
			})
		})
	}
}

// The health of an idle endpoint after it has refused a whole request. One that has taken data before stays
// healthy, because one refused request may be due to its data, until a second one shows that nothing was
// taken for a minute. One that has never taken anything is unhealthy.
func TestIdleAfterARefusal(t *testing.T) {
	for name, takenBefore := range map[string]bool{"it took data before": true, "it never took data": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				code := 400
				b := newBench(func(int, string) (*http.Response, error) { return status(code, "no") })
				deliver := func(with int) {
					code = with
					if err := b.Deliver(t.Context(), six()); err != nil {
						t.Fatal(err)
					}
				}
				check := func(when string, well bool) {
					t.Helper()
					if err := b.Err(); (err == nil) != well || (b.up(t) == 1) != well {
						t.Errorf("%s: ready = %v, up = %v, want well: %t", when, err, b.up(t), well)
					}
				}
				if takenBefore {
					deliver(204)
				}
				deliver(400)
				check("at once", true)
				time.Sleep(5 * time.Minute)
				check("idle for five minutes", takenBefore)
				deliver(400)
				check("refused again", false)
				time.Sleep(time.Hour)
				check("idle for an hour", false)
				deliver(204)
				check("taken", true)
			})
		})
	}
}
