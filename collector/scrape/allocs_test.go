package scrape

import (
	"fmt"
	"runtime/debug"
	"testing"
)

// Allowed allocations. A scrape whose page differs from the last one only in its values allocates nothing,
// whatever its size. If a hundredth of the series has changed, it allocates at most once for each of
// those.
const (
	steadyAllocs  = 0
	changedAllocs = 1
)

// TestAllocs checks that a series that was there before costs no allocation.
func TestAllocs(t *testing.T) {
	if raceEnabled(t) {
		t.Skip("under the race detector pools forget at random")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
	for _, n := range []int{1_000, 10_000} {
		t.Run(fmt.Sprintf("steady/series=%d", n), func(t *testing.T) {
			again := rounds(t, NewBuffers(PageMemory), steadyPages(n))
			again()
			again()
			if got := testing.AllocsPerRun(20, again); got > steadyAllocs {
				t.Errorf("%v allocations, want at most %d", got, steadyAllocs)
			}
		})
		t.Run(fmt.Sprintf("changed/series=%d", n), func(t *testing.T) {
			pages := changingPages(n)
			again := rounds(t, NewBuffers(PageMemory), pages)
			for range pages {
				again()
			}
			if got, want := testing.AllocsPerRun(len(pages)-2, again), float64(changedAllocs*max(10, n/100)); got > want {
				t.Errorf("%v allocations, want at most %v", got, want)
			}
		})
	}
}

// Allowed allocations for what only OpenMetrics has: none for a start time or for an exemplar that was
// there before, and what the library makes for each new exemplar. For a new target and page: what grows
// with the page in a few steps, and the labels of the series that report it.
const (
	newExemplarAllocs = 3
	newPageAllocs     = 140
)

func TestAllocsOfOthers(t *testing.T) {
	if raceEnabled(t) {
		t.Skip("under the race detector pools forget at random")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const n, contentType = 2_000, "application/openmetrics-text; version=1.0.0"
	cfg := DefaultConfig()
	cfg.StartTimes = true
	for name, tc := range map[string]struct {
		pages [][]byte
		most  float64
	}{
		"start times":    {createdPages(n), 0},
		"same exemplars": {exemplarPages(n, false), 0},
		"new exemplars":  {exemplarPages(n, true), newExemplarAllocs * n / 10},
	} {
		t.Run(name, func(t *testing.T) {
			again := roundsOf(t, NewBuffers(PageMemory), cfg, contentType, tc.pages)
			for range tc.pages {
				again()
			}
			if got := testing.AllocsPerRun(20, again); got > tc.most {
				t.Errorf("%v allocations, want at most %v", got, tc.most)
			}
		})
	}
	t.Run("new page", func(t *testing.T) {
		pages := steadyPages(n)
		if got := testing.AllocsPerRun(5, func() { rounds(t, NewBuffers(PageMemory), pages)() }); got > newPageAllocs {
			t.Errorf("%v allocations, want at most %d", got, newPageAllocs)
		}
	})
}

// raceEnabled reports whether the race detector is on. It makes a pool drop some of the values put into it.
func raceEnabled(tb testing.TB) bool {
	tb.Helper()
	b := NewBuffers(PageMemory)
	for range 100 {
		p := b.getPage(nil)
		b.putPage(p)
		if b.getPage(nil) != p {
			return true
		}
	}
	return false
}
