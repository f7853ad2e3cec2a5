package tail

import (
	"bytes"
	"unicode/utf8"
)

// Emit takes a whole line: its time in Unix nanoseconds, its stream (Stdout or Stderr) and
// its bytes, without the newline; own says that nobody else uses their memory, else they are
// part of the buffer that was decoded.
type Emit func(time int64, stream int, line []byte, own bool)

// Lines makes lines of the messages of a log: a message is a line, or a piece of one. It
// keeps the beginnings of lines that are not whole and nothing else.
type Lines struct {
	MaxBytes int    // a longer line is cut
	Terminal bool   // lines end in a CR, which is taken off
	Valid    bool   // messages are known to be UTF-8
	Emit     Emit   // takes each line
	Cut      func() // is told of each line that is cut

	partials [2]Partial // by stream
}

// Message takes a message of a stream, without its newline: a line or a piece of one, of
// which the last has a newline. Pieces of a line have the same time; what has another time
// begins another line, and what was open is a last line without newline. own is Emit's.
func (l *Lines) Message(time int64, stream int, text []byte, own, last bool) {
	p := &l.partials[stream]
	if p.Open() && p.Time != time {
		l.End(stream)
	}
	if last && !p.Open() {
		l.Line(time, stream, text, own)
		return
	}
	if !p.Open() {
		p.Begin(time, len(text))
	}
	limit := l.MaxBytes
	if l.Terminal {
		limit++ // the CR
	}
	p.Add(text, limit)
	if last {
		l.End(stream)
	}
}

// End hands on what a stream's pieces are so far, if there are any, as a line.
func (l *Lines) End(stream int) {
	if p := &l.partials[stream]; p.Open() {
		time := p.Time
		l.Line(time, stream, p.Take(), true)
	}
}

// Line hands on a whole line.
func (l *Lines) Line(time int64, stream int, line []byte, own bool) {
	if l.Terminal {
		line = bytes.TrimSuffix(line, []byte{'\r'})
	}
	if !l.Valid {
		line = valid(line)
	}
	if len(line) > l.MaxBytes {
		line = cutLine(line, l.MaxBytes)
		l.Cut()
	}
	l.Emit(time, stream, line, own)
}

// Forget forgets what is not whole: the log is read again from before it.
func (l *Lines) Forget() { l.partials = [2]Partial{} }

// Open returns the time of the stream's line that is not whole yet, 0 if there is none.
func (l *Lines) Open(stream int) int64 { return l.partials[stream].Time }

// Waiting returns the time of the oldest line that is not whole yet, 0 if there is none.
func (l *Lines) Waiting() int64 {
	out, err := l.partials[Stdout].Time, l.partials[Stderr].Time
	if out == 0 || err == 0 {
		return max(out, err)
	}
	return min(out, err)
}

// Newest returns the time of the newest line that is not whole yet, 0 if there is none.
func (l *Lines) Newest() int64 { return max(l.partials[Stdout].Time, l.partials[Stderr].Time) }

// Partial is a line of which only the first pieces have come: the Engine keeps a long line in
// pieces of 16 KiB, each with the time of the first and only the last with a newline. The
// zero value is no line.
type Partial struct {
	Time int64 // of the line; 0 where none is open, or its time not known
	data []byte
	long bool // there was more than is kept
}

// Open reports whether there is a line.
func (p *Partial) Open() bool { return p.data != nil }

// Begin opens a line, whose first piece has size bytes.
func (p *Partial) Begin(time int64, size int) {
	*p = Partial{Time: time, data: make([]byte, 0, max(2*size, 64))}
}

// Add appends a piece, but keeps no more than limit bytes in all.
func (p *Partial) Add(piece []byte, limit int) {
	if room := limit - len(p.data); len(piece) > room {
		piece, p.long = piece[:max(room, 0)], true
	}
	p.data = append(p.data, piece...)
}

// Take returns the line, whose memory is the caller's, and leaves none open. A line of which
// not all was kept has one byte more than the limit, so that it is cut.
func (p *Partial) Take() []byte {
	data := p.data
	if p.long {
		data = append(data, 0)
	}
	*p = Partial{}
	return data
}

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

// valid returns line as UTF-8: backends refuse or change anything else. A valid line is
// returned as it is.
func valid(line []byte) []byte {
	if utf8.Valid(line) {
		return line
	}
	return bytes.ToValidUTF8(line, []byte("\uFFFD"))
}
