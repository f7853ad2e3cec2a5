package dockerlog

import "time"

// gathering says how long a stream that is read to its end is left alone before it is read
// again. The Engine writes line by line, and a reader that keeps up is woken for each: what a
// line costs is then mostly the waking. The first line after a quiet time is read at once.
//
// Pauses end where time is a multiple of a step, which is the same for all streams, so that
// those end together and the process is woken once for all. A step is halved until no more
// comes in one than there is room for.
type gathering struct {
	began    time.Time // of the present round: when the last pause began
	bytes    int       // read since then
	messages int       // of the stream, read before then
}

const (
	// gatherTime is the longest step: that of a log that is written a little all the time.
	gatherTime = 200 * time.Millisecond
	// room is what shall come in a step at most: three quarters of what a socket of Linux holds
	// unless it is told otherwise, 212,992 bytes. If that is full the Engine waits until three
	// quarters are read, and what comes in a step says no more how fast the log is.
	room = 156 << 10
	// messageRoom and byteRoom are what each message that the Engine writes takes of it, and each
	// byte of one, at most: Linux counts what it allocates. It is full with 278 of the shortest
	// lines, 167 of 200 bytes, 44 of 4 KiB.
	messageRoom = 800
	byteRoom    = 2
	// plenty is a read after which there is probably more: it took all that the connection's
	// buffer holds, 16 KiB with what frames the messages.
	plenty = 12 << 10
	// shortest is a step that is worth a timer.
	shortest = 200 * time.Microsecond
)

// after returns the pause after a read of n bytes that ended now; messages are those of the
// stream so far, and filled says that the read had no room for more.
func (g *gathering) after(n, messages int, filled bool, now time.Time) time.Duration {
	g.bytes += n
	if n == 0 || n >= plenty || filled {
		return 0
	}
	took := float64(messages-g.messages)*messageRoom + float64(g.bytes)*byteRoom
	full := time.Duration(min(room/took*float64(now.Sub(g.began)), float64(gatherTime)))
	if full < shortest {
		return 0
	}
	step := gatherTime
	for step > full {
		step /= 2
	}
	pause := step - time.Duration(now.UnixNano()%int64(step))
	if pause < min(shortest, step/8) {
		pause += step // it is time already
	}
	*g = gathering{began: now, messages: messages}
	return pause
}
