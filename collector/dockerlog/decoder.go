package dockerlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Streams of a container's log, as the Engine numbers them (moby, api/pkg/stdcopy).
const (
	stdin  = 0 // as which old Engines wrote stdout
	stdout = 1
	stderr = 2
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

// emit takes a whole line: its time, its stream (stdout or stderr) and its bytes, without
// the newline; own says that nobody else uses their memory, else they are part of the
// buffer that was decoded.
type emit func(time int64, stream int, line []byte, own bool)

// decoder makes lines of the bytes of one answer of the Engine, in the order of the log.
// It keeps the beginnings of lines that are not whole and nothing else.
type decoder struct {
	tty      bool
	maxLine  int
	emit     emit
	onCut    func()
	stamps   stamps
	partials [stderr + 1]partial // by stream; data is nil where there is none

	skip    int // bytes of an overlong message still to pass over
	skipFor int // the stream of that message, whose line ends with it if the last byte is a newline
}

// decode takes the bytes that are whole messages from the front of b and returns how
// many it took. Emitted lines may point into b.
func (d *decoder) decode(b []byte) (int, error) {
	if d.tty {
		return d.decodeTerminal(b)
	}
	return d.decodeFrames(b)
}

// need returns how long the message that b begins with is, as far as b tells: so many bytes
// must be there for decode to get on.
func (d *decoder) need(b []byte) int {
	if d.tty {
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
				d.end(d.skipFor)
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
		stream := int(f[0])
		switch stream {
		case system:
			return taken, engineError(bytes.TrimSpace(msg))
		case stdin:
			stream = stdout
		}
		d.skip, d.skipFor = size-held, stream
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
	p := &d.partials[stream]
	if p.data != nil && p.time != t {
		d.end(stream) // the piece before this was a last line without newline
	}
	whole := d.skip == 0 && len(text) > 0 && text[len(text)-1] == '\n'
	if whole {
		text = text[:len(text)-1]
		if p.data == nil {
			d.line(t, stream, text, false)
			return nil
		}
	}
	if p.data == nil {
		*p = partial{time: t, data: make([]byte, 0, max(len(text)*2, 64))}
	}
	p.add(text, d.maxLine)
	if whole {
		d.end(stream)
	}
	return nil
}

// end hands on the line that a stream's pieces are.
func (d *decoder) end(stream int) {
	p := &d.partials[stream]
	if p.data == nil {
		return
	}
	t, data, long := p.time, p.data, p.long
	*p = partial{}
	if long {
		data = append(data, 0) // one byte over the limit, so that it is cut
	}
	d.line(t, stream, data, true)
}

func (d *decoder) line(t int64, stream int, line []byte, own bool) {
	line = valid(line)
	if len(line) > d.maxLine {
		line = cutLine(line, d.maxLine)
		d.onCut()
	}
	d.emit(t, stream, line, own)
}

// decodeTerminal is decode for a container with a terminal, whose log has no frames: a
// timestamp, a space, the line, CR, LF, and the timestamp again before each further piece
// of a long line.
func (d *decoder) decodeTerminal(b []byte) (taken int, err error) {
	p := &d.partials[stdout]
	for {
		rest := b[taken:]
		nl := bytes.IndexByte(rest, '\n')
		if nl < 0 {
			if p.data == nil && len(rest) < maxPiece {
				return taken, nil // may come whole with the next read
			}
			if p.data == nil {
				p.time, _, _ = d.stamps.cut(rest)
			}
			p.add(rest, d.terminalLimit())
			return len(b), nil
		}
		taken += nl + 1
		line, own := rest[:nl], false
		if p.data != nil {
			p.add(line, d.terminalLimit())
			line, own = p.data, true
			*p = partial{}
		}
		if err := d.terminalLine(line, own); err != nil {
			return taken, err
		}
	}
}

// maxPiece is the longest piece of a line that the Engine hands on, with its timestamp.
const maxPiece = 16<<10 + stampLen + 1

// terminalLimit is how much of a terminal's line is kept before the timestamps in it are removed.
func (d *decoder) terminalLimit() int { return d.maxLine + (d.maxLine/(16<<10)+3)*(stampLen+1) }

func (d *decoder) terminalLine(raw []byte, own bool) error {
	t, line, err := d.stamps.cut(raw)
	if err != nil {
		return fmt.Errorf("%w (it has %d bytes)", err, len(raw))
	}
	line = withoutStamps(line, raw[:len(raw)-len(line)])
	d.line(t, stdout, bytes.TrimSuffix(line, []byte{'\r'}), own)
	return nil
}

// finish hands on what the log ends with though no newline came: the container has
// stopped, and nothing more of the line will come.
func (d *decoder) finish(rest []byte) error {
	if d.tty {
		p := &d.partials[stdout]
		if p.data != nil {
			p.add(rest, d.terminalLimit())
			rest = p.data
			*p = partial{}
		}
		if len(rest) == 0 {
			return nil
		}
		return d.terminalLine(rest, true)
	}
	d.end(stdout)
	d.end(stderr)
	return nil
}

// newest returns the time of the newest line that is not whole, where rest is what decode
// has left; 0 if there is none.
func (d *decoder) newest(rest []byte) int64 {
	t := max(d.partials[stdout].time, d.partials[stderr].time)
	if d.tty && t == 0 {
		t, _, _ = d.stamps.cut(rest)
	}
	return t
}

// waiting returns the time of the oldest line that is not whole yet, if there is one.
func (d *decoder) waiting() (int64, bool) {
	oldest, ok := int64(0), false
	for _, p := range d.partials {
		if p.data != nil && p.time != 0 && (!ok || p.time < oldest) {
			oldest, ok = p.time, true
		}
	}
	return oldest, ok
}
