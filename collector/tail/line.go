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
	if last {
		l.Line(time, stream, p.Take(text, l.limit()), true)
		return
	}
	if !p.Open() {
		p.Begin(time)
	}
	p.Add(text, l.limit())
}

// limit is how much of a line is kept.
func (l *Lines) limit() int {
	if l.Terminal {
		return l.MaxBytes + 1 // the CR
	}
	return l.MaxBytes
}

// End hands on what a stream's pieces are so far, if there are any, as a line.
func (l *Lines) End(stream int) {
	if p := &l.partials[stream]; p.Open() {
		time := p.Time
		l.Line(time, stream, p.Take(nil, l.limit()), true)
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

// Forget forgets what of a stream's line has come: it is read again from before it.
func (l *Lines) Forget(stream int) { l.partials[stream] = Partial{} }

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
// pieces of 16 KiB, each with the time of the first and only the last with a newline. It takes
// no more memory than they do: many logs may stand in the middle of a long line, and what they
// hold then is in nobody's budget. The zero value is no line.
type Partial struct {
	Time   int64 // of the line; 0 where none is open, or its time not known
	open   bool
	blocks [][]byte // what is kept, each full but the last
	size   int      // of what is kept
	long   bool     // there was more
}

// blockBytes is the size of a block of a line whose pieces are small.
const blockBytes = 16 << 10

// Open reports whether there is a line.
func (p *Partial) Open() bool { return p.open }

// Begin opens a line.
func (p *Partial) Begin(time int64) { *p = Partial{Time: time, open: true} }

// Add adds a piece, but keeps no more than limit bytes in all.
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

// fit returns what of a piece is kept.
func (p *Partial) fit(piece []byte, limit int) []byte {
	if room := max(limit-p.size, 0); len(piece) > room {
		p.long = true
		return piece[:room]
	}
	return piece
}

// Take returns the line with its last piece, in memory that is the caller's, and leaves none
// open. A line of which not all was kept has one byte more than the limit, so that it is cut.
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
// returned as it is. In another each byte that is none of a character becomes U+FFFD, as in what
// the Engine itself writes to json-file logs.
func valid(line []byte) []byte {
	if utf8.Valid(line) {
		return line
	}
	whole := make([]byte, 0, len(line)+len(line)/2)
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		whole = utf8.AppendRune(whole, r)
		line = line[n:]
	}
	return whole
}
