package dockerlog

import (
	"testing"
	"time"
)

func TestGathering(t *testing.T) {
	type read struct {
		n      int
		filled bool
		at     time.Duration // when it ended
		want   time.Duration // the pause after it
	}
	const ms = time.Millisecond
	for name, reads := range map[string][]read{
		"a line after a long time": {{200, false, time.Hour, gatherTime}},
		"a little all the time":    {{200, false, 5 * ms, gatherTime}, {8000, false, 205 * ms, gatherTime}},
		"as long as there is more": {{4096, true, 0, 0}, {16 << 10, false, ms, 0}, {200, false, 100 * ms, 158_452_611}},
		"a flood fills the socket sooner": { // 32 KiB in 8 ms, then 64 in 8
			{24 << 10, false, 7 * ms, 0}, {8<<10 - 1, false, 8 * ms, 8_000_244}, {56 << 10, false, 15 * ms, 0}, {8<<10 - 1, false, 16 * ms, 4_000_061}},
		"no pause is too short to be worth it": {{30 << 10, false, ms / 10, 0}, {100, false, ms / 10, 0}},
		"nothing was read":                     {{0, false, time.Second, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Unix(1000, 0)
			g := gathering{began: start}
			for i, r := range reads {
				if got := g.after(r.n, r.filled, start.Add(r.at)); got != r.want {
					t.Errorf("read %d: pause = %d, want %d", i+1, got, r.want)
				}
			}
		})
	}
}
