package dockerlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"lighter/collector/tail"
)

// Streams of a container's log, as the Engine numbers them (moby, api/pkg/stdcopy).
const (
	stderr = 2 // 1 is stdout, and so is 0, as which old Engines wrote it
	system = 3 // an error of the Engine, in the middle of an answer that began well
)

const frameHeader = 8

// maxMessage is the longest message that is held whole. json-file's are of 16 KiB, other
// drivers' may be longer; of one beyond this the beginning is kept and the rest passed over.
const maxMessage = 1 << 20

// engineError is what the Engine said in the middle of its answer.
type engineError string

func (e engineError) Error() string { return "the Engine reports: " + string(e) }

var errFrame = errors.New("an answer of the Engine is not made of log frames")

// decoder makes messages of the bytes of one answer of the Engine, in the order of the log,
// and has its lines made of them. It keeps nothing else.
type decoder struct {
	lines  tail.Lines // Terminal where the answer has no frames
	stamps stamps
	raw    tail.Partial // a terminal's line that is not whole, its timestamps in it

	seen  repeats
	began [2]int // by stream, the number of the line before which its line that is not whole began
	torn  bool   // what is emitted is the beginning of a line of which the rest did not come

	messages int // decoded so far; of a terminal's log: lines

	skip    int // bytes of an overlong message still to pass over
	skipFor int // the stream of that message, whose line ends with it if the last byte is a newline
}

// decode takes the bytes that are whole messages from the front of b and returns how
// many it took. Emitted lines may point into b.
func (d *decoder) decode(b []byte) (int, error) {
	if d.lines.Terminal {
		return d.decodeTerminal(b)
	}
	return d.decodeFrames(b)
}

// need returns how long the message that b begins with is, as far as b tells: so many bytes
// must be there for decode to get on.
func (d *decoder) need(b []byte) int {
	if d.lines.Terminal {
		return len(b) + minRead
	}
	if len(b) < frameHeader {
		return minRead
	}
	return frameHeader + min(int(binary.BigEndian.Uint32(b[4:8])), maxMessage)
}

func (d *decoder) decodeFrames(b []byte) (taken int, err error) {
	for {
		if d.skip > 0 {
			n := min(d.skip, len(b)-taken)
			if n == 0 {
				return taken, nil
			}
			taken += n
			if d.skip -= n; d.skip > 0 {
				return taken, nil
			}
			if b[taken-1] == '\n' {
				d.lines.End(d.skipFor)
			}
		}
		f := b[taken:]
		if len(f) < frameHeader {
			return taken, nil
		}
		if f[0] > system || f[1]|f[2]|f[3] != 0 {
			return taken, errFrame
		}
		size := int(binary.BigEndian.Uint32(f[4:8]))
		held := min(size, maxMessage)
		if len(f) < frameHeader+held {
			return taken, nil
		}
		taken += frameHeader + held
		msg := f[frameHeader : frameHeader+held]
		stream := tail.Stdout
		switch f[0] {
		case system:
			return taken, engineError(bytes.TrimSpace(msg))
		case stderr:
			stream = tail.Stderr
		}
		d.skip, d.skipFor = size-held, stream
		d.messages++
		if err := d.message(stream, msg); err != nil {
			return taken, err
		}
	}
}

// message takes one message: a timestamp, a space, and a line or a piece of one.
func (d *decoder) message(stream int, msg []byte) error {
	if len(msg) == 0 {
		return nil
	}
	t, text, err := d.stamps.cut(msg)
	if err != nil {
		return fmt.Errorf("%w (it has %d bytes)", err, len(msg))
	}
	last := d.skip == 0 && len(text) > 0 && text[len(text)-1] == '\n'
	if last {
		text = text[:len(text)-1]
	}
	open := d.lines.Open(stream)
	if open != 0 && t != open {
		d.interrupt(t, stream, t < open)
	}
	d.lines.Message(t, stream, text, false, last)
	if now := d.lines.Open(stream); now != 0 && now != open {
		d.began[stream] = d.seen.place(t, stream)
	}
	return nil
}

// interrupt ends the line of a stream that is not whole when another message follows. Where
// that has come before, the Engine repeats, and the line comes again. It may do so, too, where
// the message is older: more than is remembered. Else the line had no newline.
func (d *decoder) interrupt(t int64, stream int, older bool) {
	if d.seen.has(t, stream) {
		d.lines.Forget(stream)
		return
	}
	d.torn = older
	d.lines.End(stream)
	d.torn = false
}

// judge says whether a line that is emitted has come before. What has come of the other
// stream's line comes again where it follows the repeated one.
func (d *decoder) judge(t int64, stream int, line []byte, joined bool) verdict {
	if d.torn {
		return doubtful
	}
	v := d.seen.judge(t, stream, line, joined)
	if other := 1 - stream; v == repeated && d.lines.Open(other) != 0 && d.began[other] >= d.seen.next {
		d.lines.Forget(other)
	}
	return v
}

// decodeTerminal is decode for a container with a terminal, whose log has no frames: a
// timestamp, a space, the line, CR, LF, and the timestamp again before each further piece
// of a long line.
func (d *decoder) decodeTerminal(b []byte) (taken int, err error) {
	for {
		rest := b[taken:]
		nl := bytes.IndexByte(rest, '\n')
		if nl < 0 {
			if !d.raw.Open() && len(rest) < maxPiece {
				return taken, nil // may come whole with the next read
			}
			if !d.raw.Open() {
				t, _, _ := d.stamps.cut(rest)
				d.raw.Begin(t)
			}
			d.raw.Add(rest, d.terminalLimit())
			return len(b), nil
		}
		taken += nl + 1
		d.messages++
		line, own := rest[:nl], false
		if d.raw.Open() {
			line, own = d.raw.Take(line, d.terminalLimit()), true
		}
		if err := d.terminalLine(line, own); err != nil {
			return taken, err
		}
	}
}

// maxPiece is the longest piece of a line that the Engine hands on, with its timestamp.
const maxPiece = 16<<10 + stampLen + 1

// terminalLimit is how much of a terminal's line is kept before the timestamps in it are removed.
func (d *decoder) terminalLimit() int {
	return d.lines.MaxBytes + (d.lines.MaxBytes/(16<<10)+3)*(stampLen+1)
}

func (d *decoder) terminalLine(raw []byte, own bool) error {
	t, line, err := d.stamps.cut(raw)
	if err != nil {
		return fmt.Errorf("%w (it has %d bytes)", err, len(raw))
	}
	d.lines.Line(t, tail.Stdout, withoutStamps(line, raw[:len(raw)-len(line)]), own)
	return nil
}

// finish hands on what the log ends with though no newline came: the container has
// stopped, and nothing more of the line will come.
func (d *decoder) finish(rest []byte) error {
	if d.lines.Terminal {
		if d.raw.Open() {
			rest = d.raw.Take(rest, d.terminalLimit())
		}
		if len(rest) == 0 {
			return nil
		}
		return d.terminalLine(rest, true)
	}
	d.lines.End(tail.Stdout)
	d.lines.End(tail.Stderr)
	return nil
}

// newest returns the time of the newest line that is not whole, where rest is what decode
// has left; 0 if there is none.
func (d *decoder) newest(rest []byte) int64 {
	t := max(d.lines.Newest(), d.raw.Time)
	if d.lines.Terminal && t == 0 {
		t, _, _ = d.stamps.cut(rest)
	}
	return t
}

// waiting returns the time of the oldest line that is not whole yet, 0 if there is none.
func (d *decoder) waiting() int64 { return max(d.lines.Waiting(), d.raw.Time) }

// withoutStamps removes from a terminal's line what the Engine puts before each piece of
// it but the first: the same timestamp again, to the nanosecond, and a space.
func withoutStamps(line, stamp []byte) []byte {
	const shortestPiece = 1024 // pieces are of 16 KiB unless the log driver says otherwise; none says less
	if len(line) < shortestPiece {
		return line
	}
	at := bytes.Index(line, stamp)
	if at < 0 {
		return line
	}
	kept := line[:at]
	for {
		line = line[at+len(stamp):]
		if at = bytes.Index(line, stamp); at < 0 {
			return append(kept, line...)
		}
		kept = append(kept, line[:at]...)
	}
}
