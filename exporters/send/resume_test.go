package send_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lighter/exporters/send"
)

// A Sender that replaces another, with other settings, continues with its health: an endpoint that has
// taken nothing for more than a minute stays not ready, and its recovery is logged with the duration of the
// whole outage. What held the previous Sender may be fixed.
func TestAnotherSenderGoesOnWithTheHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var code atomic.Int64
		code.Store(503)
		b := newBench(func(int, string) (*http.Response, error) { return status(int(code.Load()), "away") })
		ctx, cancel := context.WithCancel(t.Context())
		delivered := make(chan error)
		go func() { delivered <- b.Deliver(ctx, six()) }()
		time.Sleep(70 * time.Second)
		if b.Err() == nil {
			t.Fatal("Err = nil after 70 s without a success")
		}
		cancel()
		if err := <-delivered; err == nil {
			t.Error("Deliver = nil of an endpoint that takes nothing")
		}
		next := send.New(b.Options)
		go func() { delivered <- next.Deliver(t.Context(), six()) }()
		time.Sleep(time.Second)
		if err := next.Err(); err == nil || !strings.Contains(err.Error(), "1m11s") {
			t.Errorf("Err = %v, want that nothing was taken for 1m11s", err)
		}
		code.Store(204)
		if err := <-delivered; err != nil || next.Err() != nil || !next.Status().Up {
			t.Errorf("Deliver = %v, Err = %v, want that the endpoint is well", err, next.Err())
		}
		if log := b.log.String(); strings.Count(log, "works again") != 1 || !strings.Contains(log, "after=1m1") {
			t.Errorf("the end of the outage is not logged with its whole length:\n%s", log)
		}
		time.Sleep(time.Hour) // in which nothing is to be sent
		code.Store(503)
		go func() { delivered <- next.Deliver(t.Context(), six()) }()
		time.Sleep(30 * time.Second)
		if err := next.Err(); err != nil {
			t.Errorf("Err = %v, 30 s after the first request in an hour", err)
		}
		code.Store(204)
		if err := <-delivered; err != nil {
			t.Error(err)
		}
	})
}

// Other settings may fix what held an endpoint, but a pause that it has requested continues.
func TestAnotherSenderIsNotHeldAndKeepsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []int{401, 503}
		b := newBench(func(n int, _ string) (*http.Response, error) {
			if n <= len(answers) {
				return status(answers[n-1], "no", "Retry-After", "30")
			}
			return status(204, "")
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if b.Deliver(ctx, six()) == nil || b.Err() == nil {
			t.Fatal("want that the endpoint is held")
		}
		second := send.New(b.Options)
		if err := second.Err(); err != nil {
			t.Errorf("Err = %v with other settings, want none before they were tried", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = second.Deliver(ctx, six()) // 503, with a pause
		began := time.Now()
		if err := send.New(b.Options).Deliver(t.Context(), six()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 28*time.Second {
			t.Errorf("sent again after %s, though the endpoint has asked for 30 s", took)
		}
	})
}
