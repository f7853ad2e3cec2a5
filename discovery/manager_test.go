package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"lighter"
	"lighter/discovery"
	"lighter/discovery/static"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a discovery.Source that is a function.
type source func(ctx context.Context, update func([]lighter.Target)) error

func (s source) Run(ctx context.Context, update func([]lighter.Target)) error { return s(ctx, update) }

// counting hands on a set of one target more every second.
func counting(ctx context.Context, update func([]lighter.Target)) error {
	for n := 1; ; n++ {
		update(make([]lighter.Target, n))
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

func TestManagerHandsOnEachSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		busy := false
		sources := map[string]discovery.Source{
			"a": source(counting), "b": source(counting),
			"static": static.New([]labels.Labels{labels.FromStrings("__address__", "x:1"), labels.FromStrings("__address__", "y:2")}),
			"empty":  static.New(nil),
		}
		m := discovery.NewManager(sources, func(name string, targets []lighter.Target) {
			if busy {
				t.Error("two calls at a time")
			}
			busy = true
			runtime.Gosched() // a sleep would stop the clock: a mutex that is waited for holds it
			busy = false
			calls = append(calls, fmt.Sprint(name, len(targets)))
		})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
		slices.Sort(calls)
		if want := []string{"a1", "a2", "b1", "b2", "empty0", "static2"}; !slices.Equal(calls, want) {
			t.Errorf("calls = %v, want %v", calls, want)
		}
		n := len(calls)
		time.Sleep(time.Minute)
		if len(calls) != n {
			t.Error("a call after Run has returned")
		}
	})
}

func TestManagerEndsWithASourceThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var ended atomic.Bool
		m := discovery.NewManager(map[string]discovery.Source{
			"good": source(func(ctx context.Context, _ func([]lighter.Target)) error { <-ctx.Done(); ended.Store(true); return nil }),
			"bad":  source(func(context.Context, func([]lighter.Target)) error { return broken }),
		}, func(string, []lighter.Target) {})
		err := m.Run(t.Context())
		if !errors.Is(err, broken) || err.Error() != `discovery "bad": broken` || !ended.Load() {
			t.Errorf("err = %v, the other ended: %t", err, ended.Load())
		}
	})
}

func TestManagerWithoutSourcesWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := discovery.NewManager(nil, nil).Run(ctx); err != nil || time.Since(start) != time.Hour {
			t.Errorf("ended after %s with %v", time.Since(start), err)
		}
	})
}
