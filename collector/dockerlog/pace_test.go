package dockerlog

import (
	"testing"
	"time"
)

// A steady writer replaces no more than a quarter of what the Engine holds between two rounds, as long as
// that takes longer than the shortest pause, and rounds become rare if little is written. A round returns
// what was written since a second before the last round, as far as the Engine still has it, and only the
// newest file if the Engine leaves out the others.
func TestPace(t *testing.T) {
	const held, file = 300_000, 100_000
	for _, limit := range []int{held, file} {
		for _, perSecond := range []int{0, 100, 10_000, 100_000, 1_000_000, 3_000_000, 100_000_000} {
			p := pace{held: held}
			pause := time.Duration(0)
			for range 20 {
				n := min(perSecond+int(float64(perSecond)*pause.Seconds()), limit)
				took := int64(float64(n) / float64(max(perSecond, 1)) * 1e9)
				pause = p.after(n, 5e18, 5e18+took)
				if written := int(float64(perSecond) * pause.Seconds()); written > held/4+1 && pause > minRound {
					t.Errorf("at %d bytes a second a pause of %s, in which %d of %d bytes are replaced", perSecond, pause, written, held)
				}
			}
			if perSecond <= held/4 && pause != maxRound {
				t.Errorf("at %d bytes a second a pause of %s, want %s", perSecond, pause, maxRound)
			}
		}
	}
}

// Pauses grow from the shortest, so that a burst after a quiet time is noticed.
func TestPaceAfterAQuietTime(t *testing.T) {
	p := pace{held: 300_000}
	for range 10 {
		p.after(0, 0, 0)
	}
	p.reset()
	for _, want := range []time.Duration{minRound, 2 * minRound, 4 * minRound} {
		if got := p.after(100, 1, 2); got != want {
			t.Errorf("pause = %s, want %s", got, want)
		}
	}
}
