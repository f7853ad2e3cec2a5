package pages

import "testing"

// TestShares: the shares of all families add up to OwnSeries, and no family occurs twice.
func TestShares(t *testing.T) {
	sum := 0
	seen := map[string]bool{}
	for _, s := range own {
		sum += s.series
		if s.series < 1 || seen[s.family] {
			t.Errorf("share %+v", s)
		}
		seen[s.family] = true
	}
	if sum > OwnSeries {
		t.Errorf("%d series, want at most %d", sum, OwnSeries)
	}
}
