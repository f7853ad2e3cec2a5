package endpoint_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"lighter/exporters/endpoint"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := endpoint.Pace{Least: 20 * time.Millisecond, Most: time.Second}
		now := time.Now()
		for name, tc := range map[string]struct{ first, last, want time.Duration }{
			"after a pause":             {0, -time.Hour, 20 * time.Millisecond},
			"soon after a request":      {0, -100 * time.Millisecond, 900 * time.Millisecond},
			"the first request":         {0, -time.Since(time.Time{}), 20 * time.Millisecond},
			"long after the first item": {-3 * time.Second, -100 * time.Millisecond, -2 * time.Second},
			"at once after a request":   {0, 0, time.Second},
		} {
			if got := p.Wait(now.Add(tc.first), now.Add(tc.last)); got != tc.want {
				t.Errorf("%s: %s, want %s", name, got, tc.want)
			}
		}
	})
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := make(chan struct{}, 1)
		start := time.Now()
		if !endpoint.Await(t.Context(), changed, time.Minute) || time.Since(start) != time.Minute {
			t.Errorf("nothing changed: returned after %s", time.Since(start))
		}
		time.AfterFunc(time.Hour, func() { changed <- struct{}{} })
		if !endpoint.Await(t.Context(), changed, 0) || time.Since(start) != time.Hour+time.Minute {
			t.Errorf("without a limit: returned after %s", time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if endpoint.Await(ctx, changed, time.Minute) {
			t.Error("the context has ended, and that is not said")
		}
	})
}
