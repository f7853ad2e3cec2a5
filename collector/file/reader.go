package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"

	"lighter/collector/position"
	"lighter/collector/tail"
)

// reader is the place of a Tailer in its files.
type reader struct {
	trail    trail
	at       int               // index in the trail of the visit that is read
	offset   int64             // in the file: after the last line handed on
	mark     position.Bookmark // of offset; zero if there is none
	ended    bool              // the visit has been read to its end
	late     bool              // there was no file at the path when Run began
	lastTime int64             // the latest time that a line has or may have
	dirty    bool              // the trail must be written before a line is handed on

	file                *openFile // nil while none is open
	away                bool      // file is not the one at the path
	looked              bool      // over was determined since file has been away
	over                bool      // there is a newer file than file, so nobody writes to file any more
	final               bool      // the next file has data: when the end is reached once more, nothing more will come
	lastRead, awaySince time.Time
	was                 look // the last open file of the visit
	coding              coding
	lines               tail.Lines
	need                int // room that the next read needs, in bytes

	passing []byte // the beginning of a line over the limit, whose end has not been read yet; nil if there is none

	partial      int64 // offset of the end of a last line without a newline; 0 if there is none
	partialEnd   int64 // the last value of partial that was not 0
	partialSince time.Time
	flushing     bool // hand on a last line without a newline

	decoder *encoding.Decoder // of the coding; nil until needed
	decoded []byte            // memory for the lines of one read
}

// overdue reports whether the last line has been without a newline for so long that it is handed on.
func (t *Tailer) overdue() bool {
	t.flushing = t.partial > 0 && time.Since(t.partialSince) >= lastLineWait
	return t.flushing
}

// readsTurn is how long a file with a backlog is read before it is another file's turn.
const readsTurn = time.Second

// drain reads and hands on everything that the files have, and reports whether there was anything.
func (t *Tailer) drain(ctx context.Context) (read bool, err error) {
	if err := t.o.Reads.acquire(ctx); err != nil {
		return false, err
	}
	holds, since := true, time.Now()
	defer func() {
		if holds {
			t.o.Reads.release()
		}
		t.flushing = false
	}()
	t.again = false
	for ctx.Err() == nil {
		if t.file == nil {
			if found, err := t.open(); err != nil || !found {
				return read, err
			}
		}
		took, more, err := t.read(ctx)
		read = read || took
		if err != nil {
			return read, err
		}
		if more && time.Since(since) < readsTurn {
			continue
		}
		if more { // give others a turn
			t.o.Reads.release()
			holds = false
			if err := t.o.Reads.acquire(ctx); err != nil {
				return read, err
			}
			holds, since = true, time.Now()
			continue
		}
		if next, err := t.rotated(ctx); err != nil || !next {
			return read, err
		}
	}
	return read, ctx.Err()
}

// close closes the open file, if any. It is opened again at the offset where reading continues.
func (t *Tailer) close() {
	if t.file != nil {
		t.file.close()
		t.file = nil
	}
	t.forgetPassing()
	t.away = false
}

// forgetPassing makes a line over the limit, whose end has not been read yet, be read again from its beginning.
func (t *Tailer) forgetPassing() { t.passing, t.need = nil, 0 }

// rotated is called at the end of the file. It reports whether reading continues in another file.
func (t *Tailer) rotated(ctx context.Context) (next bool, err error) {
	now, err := lookAt(t.path)
	if err != nil {
		return false, err
	}
	if now.same(t.file.look) {
		t.away = false
		return false, nil
	}
	if t.away = true; !t.looked {
		t.looked, t.awaySince = true, time.Now()
		t.over = t.over || t.at+1 < len(t.trail) || t.between(t.scan(), t.file.look).exists
	}
	quiet := t.over || time.Since(t.awaySince) > keepOpen && time.Since(t.lastRead) > keepOpen
	switch {
	case !now.exists && !quiet: // the writer may continue until there is a new file
		return false, nil
	case now.exists && now.size == 0 && !quiet: // the writer may not have opened the new file yet
		return false, nil
	case !t.final:
		t.final = true
		return true, nil
	}
	if t.partial > 0 {
		t.flushing = true
		if _, _, err := t.read(ctx); err != nil {
			return false, err
		}
		t.flushing = false
	}
	if !now.exists {
		if err := t.feed.End(ctx); err != nil {
			return false, err
		}
	}
	if t.file == nil { // it was truncated in the meantime
		return true, nil
	}
	// A deleted file may have been replaced by a copy of it that has grown.
	t.ended = t.file.links > 0 || !now.exists
	t.close()
	return now.exists, nil
}

// read reads from the file once and hands on the lines. took reports whether there was a line, and more
// whether there may be more to read.
func (t *Tailer) read(ctx context.Context) (took, more bool, err error) {
	s := t.file
	if err := s.refresh(); err != nil {
		return false, false, err
	}
	if cut, err := t.cutOff(); err != nil || cut {
		return false, cut, err
	}
	if known, err := t.learnCoding(); err != nil || !known {
		return false, false, err
	}
	room := int64(tail.MaxChunk)
	if s.packed == "" {
		room = min(room, s.size-s.offset)
	}
	if (room <= 0 || s.packed != "" && s.ended && len(s.kept) == 0) && !t.flushing {
		return false, false, nil
	}
	c := t.o.Buffers.Get(max(t.need, int(room)))
	t.feed.Chunk = c
	defer t.feed.Drop()
	start, before, mark := s.offset, t.offset, t.mark
	n, broken := s.fill(c.Buf[:cap(c.Buf)])
	c.Buf = c.Buf[:n]
	if cut, err := t.cutOff(); err != nil || cut { // then the content that was read may be another file's
		return false, cut, err
	}
	taken := t.split(c.Buf, start)
	more = n == cap(c.Buf)
	skip, err := t.leftOver(c.Buf[taken:], start+int64(taken), taken == 0 && more)
	if err != nil {
		return false, false, err
	}
	t.lines.Release()
	if t.offset != before {
		t.mark = s.mark(t.offset, c.Buf[:max(0, min(int(t.offset-start), n))])
	}
	if took = !t.feed.Empty(); took {
		t.lastRead = time.Now()
	}
	if err := t.handOn(ctx); err != nil {
		t.offset, t.mark = before, mark
		t.forgetPassing()
		if s.seek(before) != nil {
			t.close()
		}
		t.feed.Begin(position.SkipLines(0))
		return false, false, err
	}
	if skip > 0 {
		t.offset, t.mark, more = skip, position.Bookmark{}, true
		broken = cmp.Or(broken, s.seek(skip))
	}
	return took, more, broken
}

// cutOff reports whether the file no longer has the content that was read, because it was truncated. If so,
// cutOff closes it.
func (t *Tailer) cutOff() (bool, error) {
	s := t.file
	holds := true
	if s.packed == "" {
		before := s.size
		if err := s.refresh(); err != nil {
			return false, err
		}
		holds = s.size >= before && s.size >= t.offset
		if holds && t.mark.Offset == t.offset && t.offset > 0 {
			sum, ok, err := s.sum(t.offset)
			if err != nil {
				return false, err
			}
			holds = ok && sum == t.mark.Sum
		} else if holds { // at the beginning of a file that may have been read further before
			var err error
			if holds, err = t.holds(s); err != nil {
				return false, err
			}
		}
	}
	if !holds {
		t.close()
	}
	return !holds, nil
}

// learnCoding determines the encoding of the text, and reports whether it is known.
func (t *Tailer) learnCoding() (bool, error) {
	if t.coding.newline != nil {
		return true, nil
	}
	head, err := t.file.bom()
	if err != nil {
		return false, err
	}
	c := codingOf(head, t.set)
	if c.newline == nil {
		if !t.flushing {
			if len(head) > 0 {
				t.waitFor(int64(len(head)))
			}
			return false, nil
		}
		c = t.set // the file has nothing more
	}
	t.coding, t.decoder = c, nil
	if c.skip > t.offset {
		t.offset, t.mark = c.skip, position.Bookmark{}
		return true, t.file.seek(c.skip)
	}
	return true, nil
}

// split adds the complete lines of b, which begins at the offset start, and returns their size in bytes.
func (t *Tailer) split(b []byte, start int64) (taken int) {
	t.decoded = nil
	end := start + int64(len(b))
	unit := len(t.coding.newline)
	for {
		n := t.coding.line(b[taken:])
		if n < 0 {
			return taken
		}
		text := b[taken : taken+n]
		taken += n + unit
		if t.passing != nil {
			text, t.passing = t.passing, nil
			t.addLine(text, start+int64(taken), end, false)
		} else {
			t.addLine(text, start+int64(taken), end, true)
		}
	}
}

// leftOver handles what was read after the last newline, which begins at the offset at: it gives it back, or
// passes over it if its line is over the limit. full means that the buffer holds nothing else. If rest has
// only zeros, skip is the offset where they end, or 0 if that is unknown.
func (t *Tailer) leftOver(rest []byte, at int64, full bool) (skip int64, err error) {
	s := t.file
	unit := len(t.coding.newline)
	if t.passing != nil {
		odd := len(rest) % unit
		s.giveBack(rest[len(rest)-odd:])
		switch {
		case full:
		case t.flushing && t.partialEnd == s.offset:
			text := t.passing
			t.passing = nil
			t.addLine(text, s.offset, s.offset, false)
			t.partial = 0
		case len(rest) > 0 && rest[len(rest)-1] == 0: // reserved space, where new content will be written
			t.forgetPassing()
			return 0, s.seek(t.offset)
		default:
			t.waitFor(s.offset)
		}
		return 0, nil
	}
	zeros := t.coding.encoding == nil && s.packed == "" && len(rest) > 0 && len(bytes.TrimLeft(rest, "\x00")) == 0
	t.need = 0
	end := at + int64(len(rest))
	switch limit := unit * (t.o.MaxLineBytes + 2); {
	case zeros:
		s.giveBack(rest)
		t.partial = 0
		to, err := s.afterNulls(at)
		return max(to, 0), err
	case full && len(rest) < limit:
		s.giveBack(rest)
		t.need = min(2*len(rest), max(limit, len(rest)+1))
	case full:
		t.passing = append([]byte(nil), rest[:limit]...)
		s.giveBack(rest[len(rest)-len(rest)%unit:])
	case len(rest) == 0:
		t.partial = 0
	case t.flushing && t.partialEnd == end:
		if t.partial = 0; unit == 1 && rest[len(rest)-1] == 0 { // reserved space, as above
			s.giveBack(rest)
			return 0, nil
		}
		t.addLine(rest, end, end, true)
	default:
		s.giveBack(rest)
		t.waitFor(end)
	}
	return 0, nil
}

// waitFor records that a last line without a newline ends at an offset.
func (t *Tailer) waitFor(end int64) {
	if t.partialEnd != end {
		t.partialEnd, t.partialSince = end, time.Now()
	}
	t.partial = end
}

// addLine adds a line that ends, with its newline, at the offset end. The file was read up to readEnd.
func (t *Tailer) addLine(text []byte, end, readEnd int64, borrowed bool) {
	from := t.offset
	t.offset = end
	if t.coding.encoding == nil && len(text) > 0 && text[0] == 0 { // after a truncation, the writer has continued behind a hole
		if text = bytes.TrimLeft(text, "\x00"); len(text) == 0 {
			return
		}
		if borrowed {
			from = end - int64(len(text)) - 1
		}
	}
	switch {
	case t.coding.encoding != nil:
		text, borrowed = t.decode(text), false
	case borrowed && len(text) > t.o.MaxLineBytes: // the line will be cut in place, but the bookmark needs the content as it was read
		text, borrowed = bytes.Clone(text), false
	}
	v := t.visit()
	if end > v.Until {
		t.anchor(from, readEnd)
		v = t.visit()
	}
	t.lines.Add(v.time(end), tail.Stdout, text, borrowed, true)
	for t.lines.Next() {
		t.feed.Add(&t.lines.Line)
	}
}

// decode returns text as UTF-8. Invalid bytes become U+FFFD.
func (t *Tailer) decode(text []byte) []byte {
	if t.decoder == nil {
		t.decoder = t.coding.encoding.NewDecoder()
	}
	for size := 3*len(text) + 16; ; size *= 2 {
		from := len(t.decoded)
		t.decoder.Reset()
		n, _, err := t.decoder.Transform(t.decoded[from:cap(t.decoded)], text, true)
		if err == nil {
			t.decoded = t.decoded[:from+n]
			return t.decoded[from : from+n : from+n]
		}
		if err != transform.ErrShortDst {
			return bytes.Clone(text) // invalid UTF-8 is replaced later
		}
		t.decoded = make([]byte, 0, max(size, tail.MinChunk))
	}
}

// anchor sets the time of the line that begins at an offset, and of those after it. The file was read up to
// readEnd.
func (t *Tailer) anchor(from, readEnd int64) {
	t.at -= t.trail.prune(t.feed.Cursor().Acked())
	if n := len(t.trail) - maxVisits; n > 0 && t.at >= n {
		t.trail = t.trail[n:]
		t.at -= n
	}
	v := t.visit()
	last := max(t.lastTime, v.last())
	until := from + anchorBytes
	if t.file.packed == "" {
		until = min(until, t.file.size)
	}
	at := anchor{from, max(time.Now().UnixNano(), last)}
	switch n := len(v.Anchors); {
	case v.Anchors[n-1].offset() == from: // no line that has its time from that anchor was handed on
		v.Anchors[n-1] = at
	case t.trail.anchors() < maxAnchors:
		v.Anchors = append(v.Anchors, at)
	}
	v.Until = max(until, readEnd)
	t.lastTime = v.last()
	t.dirty = true
}

// writeTrail stores the trail with the position.
func (t *Tailer) writeTrail() {
	if n := len(t.trail); n > 0 && t.file != nil {
		v := t.visit()
		known := min(t.file.size, headBytes)
		if t.file.packed == "" {
			known = min(t.offset, known)
		}
		if v.HeadBytes < known {
			if sum, ok, err := t.file.head(known); ok && err == nil {
				v.Head, v.HeadBytes = sum, known
			}
		}
	}
	t.feed.Cursor().Note(t.trail.note())
	t.dirty = false
}

// handOn passes the lines on that were read.
func (t *Tailer) handOn(ctx context.Context) error {
	if t.feed.Empty() {
		return nil
	}
	if t.dirty {
		t.writeTrail()
	}
	err := t.feed.HandOn(ctx, 0, t.mark)
	if errors.Is(err, tail.ErrFull) {
		t.feed.State.Set(tail.Following)
		return nil
	}
	return err
}
