package dockerlog

import "time"

// pauses determines how long to wait before the next read after a stream was read to its end. The Engine
// writes line by line, and a reader that keeps up is woken for each line: the wake-up is then most of the
// cost of a line. The first line after a quiet time is read at once.
//
// A pause ends when the clock reaches a multiple of a step. Steps are the same for all streams, so that
// their pauses end together and the process is woken once for all of them. A step is halved until the data
// of one step fits in the socket.
type pauses struct {
	began    time.Time // when the last pause began
	bytes    int       // read since then
	messages int       // number of messages of the stream before then
}

const (
	// maxPause is the longest step, for a log that is written slowly all the time.
	maxPause = 200 * time.Millisecond
	// room is the most that should arrive in a step: three quarters of what a Linux socket holds by
	// default, which is 212,992 bytes. When a socket is full, the Engine waits until three quarters of it
	// are read, and the amount that arrives in a step no longer shows how fast the log is written.
	room = 156 << 10
	// messageRoom and byteRoom are the most that a message, and a byte of one, take of the socket: Linux
	// counts what it allocates. A socket is full with 278 of the shortest lines, 167 lines of 200 bytes, or
	// 44 lines of 4 KiB.
	messageRoom = 800
	byteRoom    = 2
	// plenty is the size of a read after which there is probably more to read: it emptied the connection's
	// buffer, which holds 16 KiB including the frames around the messages.
	plenty = 12 << 10
	// shortest is the shortest step that is worth a timer.
	shortest = 200 * time.Microsecond
)

// after returns the pause after a read of n bytes that ended at now. messages is the number of messages of
// the stream so far, and filled reports whether the read filled its buffer.
func (p *pauses) after(n, messages int, filled bool, now time.Time) time.Duration {
	p.bytes += n
	if n == 0 || n >= plenty || filled {
		return 0
	}
	took := float64(messages-p.messages)*messageRoom + float64(p.bytes)*byteRoom
	full := time.Duration(min(room/took*float64(now.Sub(p.began)), float64(maxPause)))
	if full < shortest {
		return 0
	}
	step := maxPause
	for step > full {
		step /= 2
	}
	pause := step - time.Duration(now.UnixNano()%int64(step))
	if pause < min(shortest, step/8) {
		pause += step // the step has already ended
	}
	*p = pauses{began: now, messages: messages}
	return pause
}
