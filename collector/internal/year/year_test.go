package year

import (
	"testing"
	"time"
)

func TestNearest(t *testing.T) {
	for _, tc := range []struct{ stamp, now, want string }{
		{"Oct 11 22:14:15", "2026-11-26T00:00:00Z", "2026-10-11T22:14:15Z"},
		{"Dec 31 23:59:59", "2027-01-01T00:00:01Z", "2026-12-31T23:59:59Z"},
		{"Jan  1 00:00:01", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01Z"},
	} {
		stamp, _ := time.Parse(time.Stamp, tc.stamp)
		now, _ := time.Parse(time.RFC3339, tc.now)
		if got := Nearest(stamp, now).Format(time.RFC3339); got != tc.want {
			t.Errorf("%s at %s: %s, want %s", tc.stamp, tc.now, got, tc.want)
		}
	}
}
