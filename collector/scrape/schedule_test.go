package scrape

import (
	"testing"
	"time"
)

// TestNext: scrapes keep their distance, however late one is, and a missed scrape is not made up for.
func TestNext(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	for _, tc := range []struct{ late, want time.Duration }{
		{0, 10 * time.Second},
		{9 * time.Second, 10 * time.Second},
		{10 * time.Second, 10 * time.Second},
		{19 * time.Second, 10 * time.Second},
		{20 * time.Second, 20 * time.Second},
		{65 * time.Second, 60 * time.Second},
	} {
		if got := next(start, start.Add(tc.late), 10*time.Second).Sub(start); got != tc.want {
			t.Errorf("%s after it was due, the next is due after %s, want %s", tc.late, got, tc.want)
		}
	}
}

// TestBeats: many targets are scraped at few moments, which are a beat apart, or a tenth of a short
// interval.
func TestBeats(t *testing.T) {
	for _, tc := range []struct{ interval, apart time.Duration }{
		{time.Minute, beat},
		{time.Second, beat},
		{MinInterval, 10 * time.Millisecond},
	} {
		seen := map[time.Duration]bool{}
		for i := range uint64(1000) {
			l := &Loop{target: &target{interval: tc.interval, hash: i * 0x9e3779b97f4a7c15}}
			now := time.Unix(1_700_000_000, int64(i*7919))
			at := time.Duration(now.Add(l.offset(now)).UnixNano()) % tc.interval
			if at%tc.apart != 0 {
				t.Fatalf("interval %s: a target is asked %s after its beginning, want a multiple of %s", tc.interval, at, tc.apart)
			}
			seen[at%min(tc.interval, spread)] = true
		}
		if got, want := len(seen), int(min(tc.interval, spread)/tc.apart); got != want {
			t.Errorf("interval %s: %d moments, want %d", tc.interval, got, want)
		}
	}
}

// TestAligned: a scrape that is slightly late has the time of its tick; a later one has its own.
func TestAligned(t *testing.T) {
	first := time.UnixMilli(1_700_000_000_123)
	for _, tc := range []struct{ passed, want time.Duration }{
		{0, 0},
		{10 * time.Second, 10 * time.Second},
		{30*time.Second + 2*time.Millisecond, 30 * time.Second},
		{30*time.Second - 1500*time.Microsecond, 30 * time.Second},
		{30*time.Second + 3*time.Millisecond, 30*time.Second + 3*time.Millisecond},
		{time.Hour + 2500*time.Millisecond, time.Hour + 2500*time.Millisecond}, // the clock was set
		{-5 * time.Second, -5 * time.Second},
	} {
		if got := aligned(first.Add(tc.passed), first, 10*time.Second) - first.UnixMilli(); got != tc.want.Milliseconds() {
			t.Errorf("after %s: %d ms, want %s", tc.passed, got, tc.want)
		}
	}
}
