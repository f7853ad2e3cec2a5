package dockerlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"lighter/collector/tail"
)

// Streams of a container's log, as the Engine numbers them (moby, api/pkg/stdcopy).
const (
	stderr = 2 // stdout is 1; old Engines also write it as 0
	system = 3 // an error of the Engine in the middle of a response
)

const frameHeader = 8

// maxMessage is the size of the longest message, in bytes, that is kept whole. The json-file driver writes
// messages of at most 16 KiB, but other drivers may write longer ones. If a message is longer than
// maxMessage, only its first maxMessage bytes are kept.
const maxMessage = 1 << 20

// engineError is an error that the Engine reports in the middle of its response.
type engineError string

func (e engineError) Error() string { return "the Engine reports: " + string(e) }

var errFrame = errors.New("a response of the Engine is not made of log frames")

// decoder makes lines of the bytes of one response of the Engine, in the order of the log:
//
//	d.decode(buf)
//	for d.next() {
//		use(&d.lines.Line)
//	}
//	if d.err != nil { … }
//	rest := d.rest() // what the next buffer has to begin with
//
// It keeps the pieces of incomplete lines, and no other bytes.
type decoder struct {
	lines  tail.Lines  // Terminal where the response has no frames
	err    error       // why next cannot continue; nil means that it needs more bytes
	broken func(error) // called for each unreadable message, which is skipped

	buf    []byte
	taken  int // number of decoded bytes of buf
	stamps stamps
	behind stamps // of messages that follow on the same line of a terminal

	messages int   // decoded so far
	oldest   int64 // the time of the first message, Unix nanoseconds; 0 before it
	newest   int64 // the greatest time of a message; 0 before the first
	last     int64 // the time of the last message; 0 before the first
	before   int64 // messages with an earlier time are counted in earlier
	earlier  int   // number of those messages

	// These times are used to detect that a response lacks messages. They are Unix nanoseconds; 0 disables
	// the check.
	firstBy    int64 // the first message must not be later than this
	mustReach  int64 // the time of the log's last message when the response was opened; 0 once it has come
	stopBefore int64 // the Engine skips messages before the one with this time

	started int64 // when the container's run began; only for a terminal's log

	unended *unended // for Podman's logs; nil otherwise

	skip    int  // remaining bytes of an overlong message to skip
	skipFor int  // the stream of that message; negative if it had no timestamp
	passing bool // skip the rest of a terminal's line up to its newline
}

// decode makes b the input of next. b must begin with the rest of the previous input. The lines may point
// into b.
func (d *decoder) decode(b []byte) { d.buf, d.taken = b, 0 }

// next reports whether there is another line, and sets d.lines.Line to it.
func (d *decoder) next() bool {
	for !d.lines.Next() {
		switch {
		case d.err != nil:
			return false
		case d.lines.Terminal:
			if !d.terminalMessage() {
				return false
			}
		case !d.frame():
			return false
		}
	}
	return true
}

// rest returns the beginning of the incomplete message, and drops the references to the buffer.
func (d *decoder) rest() []byte {
	rest := d.buf[d.taken:]
	d.decode(nil)
	d.lines.Release()
	return rest
}

// finish ends the log with rest: the container has stopped, and lines without a newline are complete. next
// then returns them.
func (d *decoder) finish(rest []byte) {
	if d.lines.Terminal && len(rest) > 0 && !d.passing {
		d.add(tail.Stdout, rest, false)
	}
	d.lines.End(tail.Stdout)
	d.lines.End(tail.Stderr)
}

// need returns the size, in bytes, that a buffer which begins with b must have for next to make progress.
// Without a terminal that is the header and the message, up to maxMessage. The messages of a terminal do
// not state their length, so need returns the length of b and some room.
func (d *decoder) need(b []byte) int {
	if d.lines.Terminal {
		return len(b) + max(minRead, len(b)/4)
	}
	if len(b) < frameHeader {
		return minRead
	}
	return frameHeader + min(int(binary.BigEndian.Uint32(b[4:8])), maxMessage)
}

// frame decodes the next frame, or the rest of an overlong one. It reports whether the buffer contained it.
func (d *decoder) frame() bool {
	if d.skip > 0 {
		return d.skipOn()
	}
	f := d.buf[d.taken:]
	if len(f) < frameHeader {
		return false
	}
	if f[0] > system || f[1]|f[2]|f[3] != 0 {
		d.err = errFrame
		return false
	}
	size := int(binary.BigEndian.Uint32(f[4:8]))
	held := min(size, maxMessage)
	if len(f) < frameHeader+held {
		return false
	}
	d.taken += frameHeader + held
	msg := f[frameHeader : frameHeader+held]
	stream := tail.Stdout
	switch f[0] {
	case system:
		d.err = engineError(bytes.TrimSpace(msg))
		return false
	case stderr:
		stream = tail.Stderr
	}
	last := false
	switch {
	case size == 0:
		d.messages++
		return true
	case size > held:
		d.skip, d.skipFor = size-held, stream
	case msg[held-1] == '\n':
		msg, last = msg[:held-1], true
	}
	if !d.add(stream, msg, last) {
		d.skipFor = -1
	}
	return true
}

// skipOn skips the rest of an overlong message, and reports whether the buffer contained all of it. The
// line ends with the message if the last byte of the message is a newline.
func (d *decoder) skipOn() bool {
	n := min(d.skip, len(d.buf)-d.taken)
	d.taken += n
	if d.skip -= n; d.skip > 0 {
		return false
	}
	if d.buf[d.taken-1] == '\n' && d.skipFor >= 0 {
		d.lines.End(d.skipFor)
	}
	return true
}

// add adds one message, without its newline: a timestamp, a space, and a line or a piece of one. It returns
// false if there is no timestamp, and therefore no message.
func (d *decoder) add(stream int, msg []byte, last bool) bool {
	d.messages++
	t, text, err := d.stamps.cut(msg)
	if err != nil {
		d.broken(fmt.Errorf("%w (it has %d bytes)", err, len(msg)))
		return false
	}
	if d.err = d.note(t); d.err == nil && (d.unended == nil || !d.unended.isDelivered(t, stream, last)) {
		d.lines.Add(t, stream, text, true, last)
	}
	return true
}

// maxDisorder is how much later a message may be than the next one in the log if they belong to different
// streams: the two streams are written concurrently.
const maxDisorder = int64(time.Millisecond)

// note records the time of the next message. It returns errHole if the response lacks messages before it:
// the response begins too late, the Engine skips some here, or this message was written after the one that
// the response must reach and has not reached.
func (d *decoder) note(t int64) error {
	switch {
	case d.firstBy != 0 && d.oldest == 0 && t > d.firstBy, d.stopBefore != 0 && t >= d.stopBefore:
		return errHole
	case d.mustReach == 0:
	case t == d.mustReach:
		d.mustReach = 0
	case t > d.mustReach+maxDisorder:
		return errHole
	}
	if d.oldest == 0 {
		d.oldest = t
	}
	d.newest, d.last = max(d.newest, t), t
	if t < d.before {
		d.earlier++
	}
	return nil
}

// latest returns the greatest time of a message that has come, completely or in part, or 0. rest is the
// rest of the last buffer.
func (d *decoder) latest(rest []byte) int64 {
	if !d.lines.Terminal {
		return d.newest
	}
	t, _, _ := d.stamps.cut(rest)
	return max(d.newest, t)
}

// lastTime is latest for the last message in the order of the log.
func (d *decoder) lastTime(rest []byte) int64 {
	if d.lines.Terminal {
		if t, _, err := d.stamps.cut(rest); err == nil {
			return t
		}
	}
	return d.last
}
