package scrape

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// InUse returns what all pages hold together, and fails the test if that differs from the sum of their
// shares.
func (b *Buffers) InUse(tb testing.TB) int64 {
	tb.Helper()
	b.room.mu.Lock()
	defer b.room.mu.Unlock()
	var held int64
	for _, s := range b.room.holders {
		held += s.held
	}
	if held != b.room.used {
		tb.Errorf("%d bytes are in use, and pages hold %d", b.room.used, held)
	}
	return b.room.used
}

// holder is a page that is being read.
type holder struct {
	share
	context.Context
}

func newHolder(t *testing.T, timeout time.Duration) *holder {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	ctx, giveWay := context.WithCancelCause(ctx)
	return &holder{share{giveWay: giveWay}, ctx}
}

// TestWhoGivesWay checks which pages give way when a page wants 30 of 100 bytes. The others give back what
// they hold when they are told to.
func TestWhoGivesWay(t *testing.T) {
	const patience = 100 * time.Millisecond
	type other struct {
		held  int64
		age   time.Duration
		whole bool
	}
	for name, tc := range map[string]struct {
		others []other
		gave   []int         // the pages that gave way, in order
		after  time.Duration // until there is room; 0 means never
	}{
		"there is room":                      {[]other{{70, time.Hour, false}}, nil, 0},
		"a slow one":                         {[]other{{90, time.Second, false}}, []int{0}, patience},
		"the largest of those that are slow": {[]other{{20, time.Second, false}, {60, time.Second, false}, {20, time.Second, false}}, []int{1}, patience},
		"several that are small and slow":    {[]other{{25, time.Second, false}, {25, time.Second, false}, {25, time.Second, false}, {25, time.Second, false}}, []int{0, 1}, patience},
		"a slow one before a larger one":     {[]other{{60, 0, false}, {40, time.Second, false}}, []int{1}, patience},
		"one that is larger than the page":   {[]other{{90, 0, false}, {10, 0, false}}, []int{0}, patience},
		"none that is whole":                 {[]other{{90, time.Second, true}, {5, time.Second, false}}, []int{1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &room{size: 100}
				var mu sync.Mutex
				var gave []int
				for i, o := range tc.others {
					s := newHolder(t, time.Hour)
					if err := r.take(s, &s.share, o.held, 0); err != nil {
						t.Fatal(err)
					}
					if o.whole {
						r.keep(&s.share)
					}
					s.share.since = time.Now().Add(-o.age)
					go func() {
						<-s.Done()
						if !errors.Is(context.Cause(s), errGaveWay) {
							return
						}
						mu.Lock()
						gave = append(gave, i)
						mu.Unlock()
						r.release(&s.share)
					}()
				}
				p := newHolder(t, 10*time.Second)
				start := time.Now()
				err := r.take(p, &p.share, 30, patience)
				took := time.Since(start)
				mu.Lock()
				defer mu.Unlock()
				want := tc.after
				if name == "none that is whole" {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("err = %v, want none of the room", err)
					}
					want = 10 * time.Second
				} else if err != nil {
					t.Error(err)
				}
				if took != want {
					t.Errorf("it took %s, want %s", took, want)
				}
				if len(gave) != len(tc.gave) {
					t.Fatalf("%v gave way, want %v", gave, tc.gave)
				}
				for i := range gave {
					if gave[i] != tc.gave[i] {
						t.Errorf("%v gave way, want %v", gave, tc.gave)
					}
				}
			})
		})
	}
}

// TestSmallPagesGoFirst: small pages are served first, whatever the order of arrival, and a large one is
// served in the end.
func TestSmallPagesGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{size: 100}
		first := newHolder(t, time.Hour)
		if err := r.take(first, &first.share, 95, 0); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []int64
		var done sync.WaitGroup
		for _, want := range []int64{80, 6, 40, 5, 7} {
			done.Go(func() {
				s := newHolder(t, time.Hour)
				if err := r.take(s, &s.share, want, time.Hour); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, want)
				mu.Unlock()
				time.Sleep(time.Second)
				r.release(&s.share)
			})
			synctest.Wait()
		}
		r.release(&first.share)
		done.Wait()
		if len(order) != 5 || order[0] != 5 || order[4] != 80 {
			t.Errorf("served in the order %v, want 5 first and 80 last", order)
		}
	})
}

// TestRoomIsNeverExceeded: whatever pages do, the room is never exceeded and no part of it is lost.
func TestRoomIsNeverExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBuffers(1000)
		r := &b.room
		check := func() {
			if used := b.InUse(t); used < 0 || used > r.size {
				t.Errorf("%d of %d bytes are in use", used, r.size)
			}
		}
		var all sync.WaitGroup
		for i := range 50 {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			all.Go(func() {
				for range 200 {
					s := newHolder(t, time.Duration(1+random.IntN(3000))*time.Millisecond)
					for want := int64(0); s.Err() == nil && random.IntN(5) > 0; {
						want += 1 + random.Int64N(200)
						if r.take(s, &s.share, want, 100*time.Millisecond) != nil {
							break
						}
						check()
						select {
						case <-s.Done():
						case <-time.After(time.Duration(random.IntN(300)) * time.Millisecond):
						}
					}
					if random.IntN(2) == 0 {
						r.keep(&s.share)
					}
					r.release(&s.share)
					check()
				}
			})
		}
		all.Wait()
		if used := b.InUse(t); used != 0 || len(r.waiting) > 0 || r.leaving != nil {
			t.Errorf("in the end %d bytes are in use, %d wait, %v gives way", used, len(r.waiting), r.leaving)
		}
	})
}
