package dockerlog

import "time"

// gathering says how long a stream that is read to its end is left alone before it is read
// again. The Engine writes line by line, and a reader that keeps up is woken for each: what a
// line costs is then mostly the waking. The first line after a pause is read at once.
type gathering struct {
	began time.Time // of the present round: when the last pause began
	bytes int       // read since then
}

const (
	// gatherTime is the longest pause: that of a log that is written a little all the time.
	gatherTime = 200 * time.Millisecond
	// gatherBytes is what shall have come in a pause. The socket between the Engine and us
	// holds six times that, so the Engine need not wait.
	gatherBytes = 32 << 10
	// plenty is a read after which there is probably more.
	plenty = 8 << 10
	// shortest is a pause that is worth a timer.
	shortest = 200 * time.Microsecond
)

// after returns the pause after a read of n bytes that ended now; filled says that it had no
// room for more.
func (g *gathering) after(n int, filled bool, now time.Time) time.Duration {
	g.bytes += n
	if n == 0 || n >= plenty || filled {
		return 0
	}
	pause := gatherTime
	if full := gatherBytes * int64(now.Sub(g.began)) / int64(g.bytes); full < int64(pause) {
		pause = time.Duration(full)
	}
	if pause < shortest {
		return 0
	}
	*g = gathering{began: now}
	return pause
}
