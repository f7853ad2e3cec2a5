package dockerlog

import (
	"bytes"
	"time"

	"lighter/collector/tail"
)

// terminalMessage decodes the next message of a container with a terminal, whose log has no frames. A
// message is a timestamp, a space, and a line that ends in CR LF. If a message has no newline, the next one
// follows on the same line, with a timestamp of its own:
//
//   - A long line is cut into pieces, each with the timestamp of the first.
//   - Podman sometimes reads a terminal between the text of a line and the newline that ends it. The rest
//     of the line is then a separate message without text.
//   - A run of the container may end in the middle of a line, often with a prompt. When the container is
//     started again, the Engine returns "T1 > T2 Hello": the line "> " of the first run and the line
//     "Hello" of the second one.
func (d *decoder) terminalMessage() bool {
	b := d.buf[d.taken:]
	nl := bytes.IndexByte(b, '\n')
	if d.passing {
		if nl < 0 {
			d.taken = len(d.buf)
			return false
		}
		d.taken += nl + 1
		d.passing = false
		d.lines.End(tail.Stdout)
		return true
	}
	size, last := nl, true
	if nl < 0 {
		size = len(b)
	}
	if next := d.nextStamp(b[:size], nl >= 0); next > 0 {
		size, last = next, false
	} else if nl < 0 && len(b) < maxMessage {
		return false // the rest of the message has not come yet
	}
	d.taken += size
	switch {
	case last && nl >= 0:
		d.taken++
	case last:
		d.passing = true
	}
	d.add(tail.Stdout, b[:size], last && nl >= 0)
	return true
}

// nextStamp returns the index in b, which begins with a message, of another message on the same line, or 0
// if there is none. If whole is set, b is the rest of the line.
//
// A timestamp in the text must not be mistaken for that of a message. A program writes the time before the
// Engine reads the line, so a timestamp in the text is not later than the line's own, unless it is a future
// time. And only a line of an earlier run can be followed by another message, unless the Engine is Podman,
// whose followers continue across a restart.
func (d *decoder) nextStamp(b []byte, whole bool) int {
	t, text, err := d.stamps.cut(b)
	if err != nil {
		return 0
	}
	begin := len(b) - len(text)
	end := b[begin-2 : begin] // an Engine's timestamps all have the same form, and so the same end
	for from := begin; ; {
		i := bytes.Index(b[from:], end)
		if i < 0 {
			return 0
		}
		from += i + len(end)
		start := from - begin
		if start <= begin || b[start+len("2006-01-02")] != 'T' {
			continue
		}
		at, rest, err := d.behind.cut(b[start:])
		if err != nil {
			continue
		}
		if at == t && whole && (len(rest) == 0 || string(rest) == "\r") {
			return start
		}
		if at == t && d.unended != nil && d.unended.nextIsDelivered(t, tail.Stdout) {
			return start
		}
		if at == t && d.unended != nil {
			switch {
			case len(b)-begin > maxTerminalPiece, d.lines.Open(tail.Stdout) == t:
				return start // such a line is in pieces, which may have any length
			case !whole:
				return 0 // the length of the line is not known yet
			}
		}
		earlier := t < d.started || t%int64(time.Second) == 0
		if at == t && start-begin >= minPiece || at > t && earlier && at <= time.Now().UnixNano() {
			return start
		}
	}
}

// maxTerminalPiece is the most that a read of a terminal returns on Linux, and so the longest piece of a
// line from Podman. A longer line is in pieces.
const maxTerminalPiece = 4 << 10

// minPiece is smaller than the pieces into which any Engine cuts a long line: Docker's have 16 KiB, and
// Podman's have up to 4 KiB for a terminal. Where the times of the Engine are whole seconds, a timestamp
// with the same time that occurs earlier is part of the text.
const minPiece = 1 << 10
