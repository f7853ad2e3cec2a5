package send_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A pause that the endpoint requests applies to all senders, including those that begin during it.
func TestRetryAfterPausesAllSenders(t *testing.T) {
	for _, code := range []int{429, 503} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			busy := false
			var mu sync.Mutex
			b := newBench(func(int, string) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				if time.Since(start) == time.Second && !busy {
					busy = true
					return status(code, "busy", "Retry-After", "30")
				}
				return status(204, "")
			})
			var all sync.WaitGroup
			for shard := range 4 {
				all.Go(func() {
					for i := range 20 {
						time.Sleep(time.Duration(shard)*time.Millisecond + time.Second - time.Duration(min(i, 1)*shard)*time.Millisecond)
						if err := b.Deliver(t.Context(), six()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			for _, at := range b.backend.times {
				if d := at.Sub(start); d > time.Second && d < 31*time.Second {
					t.Errorf("status %d: asked after %s, in the pause", code, d)
				}
			}
			if n := testutil.ToFloat64(b.delivered); n != 4*20*6 || !busy {
				t.Errorf("status %d: %v items delivered of %d", code, n, 4*20*6)
			}
		})
	}
}

// Waiting for a pause ends with the context, and an endless pause is limited.
func TestRetryAfterPauseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(func(n int, _ string) (*http.Response, error) {
			if n == 1 {
				return status(503, "busy", "Retry-After", "1000000")
			}
			return status(204, "")
		})
		start := time.Now()
		first := make(chan error)
		go func() { first <- b.Deliver(t.Context(), six()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Deliver(ctx, six()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("err = %v after %s, want that of its context after a minute", err, time.Since(start))
		}
		if err := <-first; err != nil || time.Since(start) != 10*time.Minute {
			t.Errorf("err = %v after %s, want to be asked again after 10 minutes", err, time.Since(start))
		}
	})
}
