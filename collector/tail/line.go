package tail

import (
	"bytes"
	"unicode/utf8"
)

// Line is one line of a log.
type Line struct {
	Time     int64  // Unix nanoseconds
	Stream   int    // Stdout or Stderr
	Text     []byte // without the newline
	Borrowed bool   // Text points into the buffer that was read into, and is valid only as long as its chunk
	Joined   bool   // the line was assembled from several pieces
	Cut      bool   // the line was longer than the limit

	// EndedBy is the time of the message that proved the line to have no newline, because its stream
	// continued with another line. It is 0 if the line ended in any other way.
	EndedBy int64
}

// Lines joins messages to lines. A message is a line or a piece of one. A reader adds a message and then
// takes the lines that it completes:
//
//	lines.Add(time, stream, text, borrowed, last)
//	for lines.Next() {
//		use(&lines.Line)
//	}
//
// Lines keeps only the beginnings of incomplete lines.
type Lines struct {
	Line Line // the line that Next found, valid until the next call

	MaxBytes int  // longer lines are cut
	Terminal bool // lines end in a CR, which is removed
	Valid    bool // messages are known to be UTF-8

	// PieceBytes is the size of the pieces into which the Engine cuts a long line; 0 means
	// DefaultPieceBytes. Tests make it small.
	PieceBytes int

	partials [2]Partial // by stream
	work     work       // what Next must do
	message  message    // the last message added
}

// message holds the arguments of Add.
type message struct {
	time     int64
	stream   int
	text     []byte
	borrowed bool
	last     bool
}

// work is a set of steps that Next must take, in the order of the constants.
type work uint8

const (
	giveLine work = 1 << iota // Line is the next line
	takeMessage
	endStdout
	endStderr
)

// DefaultPieceBytes is the size of the pieces into which the Engine cuts a long line, unless the log driver
// requests larger ones (moby, daemon/logger/copier.go).
const DefaultPieceBytes = 16 << 10

const wholeSecond = 1_000_000_000 // nanoseconds

// Add adds a message of a stream, without its newline: a line or a piece of a line. last reports whether
// the message had a newline. The pieces of a line have the same time, and only the last piece has a
// newline. borrowed is the Borrowed of the line. Next must have returned false before Add is called.
func (l *Lines) Add(time int64, stream int, text []byte, borrowed, last bool) {
	if last && !l.partials[Stdout].open && !l.partials[Stderr].open { // nearly all messages
		l.set(time, stream, text, borrowed)
		l.work = giveLine
		return
	}
	l.message = message{time, stream, text, borrowed, last}
	l.work = takeMessage
}

// End ends a stream's line: the pieces so far are the line.
func (l *Lines) End(stream int) {
	if stream == Stdout {
		l.work |= endStdout
	} else {
		l.work |= endStderr
	}
}

// Next reports whether there is another line, and sets Line to it.
func (l *Lines) Next() bool { return l.work != 0 && l.next() }

func (l *Lines) next() bool {
	if l.work&giveLine != 0 {
		l.work &^= giveLine
		return true
	}
	if l.work&takeMessage != 0 && l.takeMessage() {
		return true
	}
	for stream, end := range [...]work{Stdout: endStdout, Stderr: endStderr} {
		if l.work&end != 0 {
			l.work &^= end
			if l.partials[stream].Open() {
				l.take(stream, nil)
				return true
			}
		}
	}
	return false
}

// takeMessage takes one step with the message, and reports whether that produced a line. It first ends
// lines that the message proves to have no newline.
//
// The last line of a container's run may lack a newline. An open piece is such a line if a message of
// another time follows it on its stream. If the piece is shorter than PieceBytes, any other message that
// follows proves it: the Engine passes on a short piece only when the run has ended, so a message of the
// other stream belongs to the next run. Podman cuts a line anywhere, and its times are whole seconds:
// there, a message of the same second may come between two pieces of a line.
func (l *Lines) takeMessage() bool {
	m := &l.message
	p, other := &l.partials[m.stream], &l.partials[1-m.stream]
	if p.Open() && p.Time != m.time {
		l.take(m.stream, nil)
		l.Line.EndedBy = m.time
		return true
	}
	if other.Open() && other.short && (other.Time != m.time || m.time%wholeSecond != 0) {
		l.take(1-m.stream, nil)
		return true
	}
	l.work &^= takeMessage
	if !m.last {
		if !p.Open() {
			p.Begin(m.time)
		}
		p.short = len(m.text) < l.pieceBytes()
		p.Add(m.text, l.limit())
		return false
	}
	if p.Open() {
		l.take(m.stream, m.text)
	} else {
		l.set(m.time, m.stream, m.text, m.borrowed)
	}
	return true
}

func (l *Lines) pieceBytes() int {
	if l.PieceBytes == 0 {
		return DefaultPieceBytes
	}
	return l.PieceBytes
}

// limit returns how much of a line is kept.
func (l *Lines) limit() int {
	if l.Terminal {
		return l.MaxBytes + 1 // the CR
	}
	return l.MaxBytes
}

// take sets Line to a stream's pieces and the last one, which may be nil.
func (l *Lines) take(stream int, last []byte) {
	p := &l.partials[stream]
	time := p.Time
	l.set(time, stream, p.Take(last, l.limit()), false)
	l.Line.Joined = true
}

// set sets Line to a complete line.
func (l *Lines) set(time int64, stream int, text []byte, borrowed bool) {
	if l.Terminal {
		text = bytes.TrimSuffix(text, []byte{'\r'})
	}
	if !l.Valid {
		var copied bool
		text, copied = valid(text)
		borrowed = borrowed && !copied
	}
	cut := len(text) > l.MaxBytes
	if cut {
		text = cutLine(text, l.MaxBytes)
	}
	line := &l.Line // assign fields: a composite literal is built elsewhere and copied, which takes longer than the rest
	line.Time, line.Stream, line.Text, line.EndedBy = time, stream, text, 0
	line.Borrowed, line.Joined, line.Cut = borrowed, false, cut
}

// Release drops the references to the last line and message, which may point into the buffer. Call it
// before the buffer is reused.
func (l *Lines) Release() { l.Line, l.message = Line{}, message{} }

// Forget drops the pieces of a stream's line, which will be read again from its beginning.
func (l *Lines) Forget(stream int) { l.partials[stream] = Partial{} }

// Open returns the time of the stream's incomplete line, or 0.
func (l *Lines) Open(stream int) int64 { return l.partials[stream].Time }

// Waiting returns the time of the oldest incomplete line, or 0.
func (l *Lines) Waiting() int64 {
	out, err := l.partials[Stdout].Time, l.partials[Stderr].Time
	if out == 0 || err == 0 {
		return max(out, err)
	}
	return min(out, err)
}

// MayGoOn reports whether a line is open whose last piece is full-sized, so that more pieces may follow.
func (l *Lines) MayGoOn() bool {
	for i := range l.partials {
		if p := &l.partials[i]; p.Open() && !p.short {
			return true
		}
	}
	return false
}

// Partial is a line whose first pieces have come. The Engine splits a long line into pieces of 16 KiB, each
// with the time of the first, and only the last with a newline. A Partial takes at most 16 KiB more memory
// than the pieces, and at most twice as much: many logs may be in the middle of a long line, and no budget
// includes that memory. The zero value is no line.
type Partial struct {
	Time   int64 // of the line; 0 if no line is open, or its time is unknown
	open   bool
	short  bool     // the last piece is shorter than the pieces of a line that continues
	blocks [][]byte // the kept bytes; all blocks but the last are full
	size   int      // number of kept bytes
	long   bool     // more bytes came than are kept
}

// blockBytes is the block size of a line with small pieces.
const blockBytes = 16 << 10

// Open reports whether there is a line.
func (p *Partial) Open() bool { return p.open }

// Begin opens a line.
func (p *Partial) Begin(time int64) { *p = Partial{Time: time, open: true} }

// Add adds a piece, but keeps no more than limit bytes in total.
func (p *Partial) Add(piece []byte, limit int) {
	piece = p.fit(piece, limit)
	if n := len(p.blocks); n > 0 {
		b := &p.blocks[n-1]
		fits := min(cap(*b)-len(*b), len(piece))
		*b = append(*b, piece[:fits]...)
		p.size += fits
		piece = piece[fits:]
	}
	if len(piece) > 0 {
		b := make([]byte, 0, max(len(piece), min(p.size, blockBytes)))
		p.blocks = append(p.blocks, append(b, piece...))
		p.size += len(piece)
	}
}

// fit returns the part of a piece that is kept.
func (p *Partial) fit(piece []byte, limit int) []byte {
	if room := max(limit-p.size, 0); len(piece) > room {
		p.long = true
		return piece[:room]
	}
	return piece
}

// Take returns the line including its last piece, in memory of the caller's, and closes the line. A line
// that was not kept completely has one byte more than the limit, so that it is cut.
func (p *Partial) Take(last []byte, limit int) []byte {
	last = p.fit(last, limit)
	line := make([]byte, 0, p.size+len(last)+1)
	for _, b := range p.blocks {
		line = append(line, b...)
	}
	line = append(line, last...)
	if p.long {
		line = append(line, 0)
	}
	*p = Partial{}
	return line
}

// cutMark replaces the end of a line that is longer than the limit.
const cutMark = "…[cut]"

// cutLine replaces the end of a line that is longer than limit by cutMark, so that the result has at most
// limit bytes and ends at a character boundary. It writes into the line's memory.
func cutLine(line []byte, limit int) []byte {
	n := max(limit-len(cutMark), 0)
	for n > 0 && !utf8.RuneStart(line[n]) {
		n--
	}
	return append(line[:n], cutMark...)
}

// valid returns line as UTF-8, because backends refuse or change anything else. It returns a valid line
// unchanged. In other lines, of which it makes a copy, each invalid byte becomes U+FFFD, as in the Engine's own
// json-file logs.
func valid(line []byte) (text []byte, copied bool) {
	if utf8.Valid(line) {
		return line, false
	}
	whole := make([]byte, 0, len(line)+len(line)/2)
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		whole = utf8.AppendRune(whole, r)
		line = line[n:]
	}
	return whole, true
}
