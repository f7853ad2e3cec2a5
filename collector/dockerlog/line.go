package dockerlog

import (
	"bytes"
	"unicode/utf8"
)

// cutMark replaces the end of a line that is longer than the limit.
const cutMark = "…[cut]"

// cutLine returns line, which is longer than limit, with its end replaced by cutMark so
// that it has at most limit bytes and no half character. It writes into line's memory.
func cutLine(line []byte, limit int) []byte {
	n := max(limit-len(cutMark), 0)
	for n > 0 && !utf8.RuneStart(line[n]) {
		n--
	}
	return append(line[:n], cutMark...)
}

// partial is a line of which only the first pieces have come: the Engine hands on a line in
// pieces of 16 KiB, each with the time of the first and only the last with a newline.
type partial struct {
	time int64
	data []byte // owned; becomes the line
	long bool   // there was more than is kept
}

// add appends a piece, but no more than limit bytes in all and one to show that there was more.
func (p *partial) add(piece []byte, limit int) {
	if room := limit - len(p.data); len(piece) > room {
		piece, p.long = piece[:max(room, 0)], true
	}
	p.data = append(p.data, piece...)
}

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

// valid returns line as UTF-8: backends refuse or change anything else. A valid line is
// returned as it is.
func valid(line []byte) []byte {
	if utf8.Valid(line) {
		return line
	}
	return bytes.ToValidUTF8(line, []byte("\uFFFD"))
}
