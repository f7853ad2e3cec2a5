package filelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// maxRecord is the longest log record that is read. A piece of 16 KiB whose bytes are all escaped takes a
// tenth of that.
const maxRecord = 1 << 20

// reader reads the files of one log, from its position to their present end.
type reader struct {
	container *lighter.Container
	path      string
	feed      *tail.Feed
	buffers   *tail.Buffers
	metrics   *tail.Metrics

	files    []*logFile // the file being read and all newer ones, open
	rotation bool       // there may be newer files that are not open

	scanner scanner
	lines   tail.Lines
	anchors [2]anchor         // of each stream's incomplete line
	need    int               // bytes of room that the next read needs
	torn    bool              // the current record is too long, and its beginning was skipped
	at      int64             // offset of the current record
	cutOff  position.Bookmark // of the truncated file that was logged last
}

// anchor is the position of the first piece of a line.
type anchor struct {
	bookmark position.Bookmark
	lines    int // number of lines read before it
}

func newReader(c *lighter.Container, feed *tail.Feed, o Options) reader {
	return reader{
		container: c,
		path:      Path(o.Root, c),
		feed:      feed,
		buffers:   o.Buffers,
		metrics:   o.Metrics,
		lines:     tail.Lines{MaxBytes: o.MaxLineBytes, Terminal: c.TTY, Valid: true, PieceBytes: o.PieceBytes},
	}
}

// drain reads and hands on everything there is, and reports whether there was anything.
func (r *reader) drain(ctx context.Context) (read bool, err error) {
	if len(r.files) == 0 {
		if err := r.open(ctx); err != nil || len(r.files) == 0 {
			return false, err
		}
	}
	switch replaced, err := r.files[0].replaced(); {
	case err != nil:
		r.close()
		return false, fmt.Errorf("read the log: %w", err)
	case replaced:
		r.restart()
	}
	defer r.scanner.release()
	for ctx.Err() == nil {
		// The Engine had finished a file before a newer one existed, so a file that was read to its end
		// here has been read completely. The newest file may have grown in the meantime; that part is read
		// next time.
		taken, more, err := r.read(ctx)
		read = read || taken
		switch {
		case err != nil:
			r.close()
			return read, err
		case more:
		case len(r.files) > 1:
			r.next()
		default:
			if newer, err := r.newer(); err != nil || !newer {
				return read, err
			}
		}
	}
	return read, ctx.Err()
}

// close closes the files. The log is opened again where reading continues.
func (r *reader) close() {
	closeAll(r.files)
	r.files = nil
}

// read reads once from the first file and hands on the lines. It reports whether there was a complete
// record, and whether there was more than fits into the buffer.
func (r *reader) read(ctx context.Context) (took, more bool, err error) {
	s := r.files[0]
	unread, err := s.unread()
	if err != nil {
		return false, false, fmt.Errorf("read the log: %w", err)
	}
	if unread < 0 {
		r.restart()
		return false, true, nil
	}
	if unread == 0 {
		return false, false, nil
	}
	c := r.buffers.Get(max(r.need, int(min(unread, tail.MaxChunk))))
	r.feed.Chunk = c
	defer r.feed.Drop()
	start := s.offset
	n, err := s.fill(c.Buf[:cap(c.Buf)])
	c.Buf = c.Buf[:n]
	if err != nil && s.packed {
		s.damaged = true
		r.broken(err)
	} else if err != nil {
		return false, false, fmt.Errorf("read the log: %w", err)
	}
	taken := r.decode(c.Buf, start)
	more = n == cap(c.Buf)
	r.need = 0
	switch {
	case taken > 0 || !more:
	case n < maxRecord:
		r.need = 2 * n
	default:
		taken = n
		r.tear()
	}
	r.lines.Release()
	s.giveBack(c.Buf[taken:])
	s.mark = s.bookmarkAfter(c.Buf[:taken])
	return taken > 0, more, r.handOn(ctx)
}

// decode takes the complete records at the beginning of b, which has the given offset, and returns their
// total length.
func (r *reader) decode(b []byte, offset int64) (taken int) {
	for {
		n := bytes.IndexByte(b[taken:], '\n')
		if n < 0 {
			return taken
		}
		r.at = offset + int64(taken)
		r.record(b[taken : taken+n])
		taken += n + 1
	}
}

// takeLines adds the lines that the last record completes to the batch, without those before the position.
func (r *reader) takeLines() {
	for r.lines.Next() {
		if line := &r.lines.Line; !r.feed.Skip(line.Time) {
			r.feed.Add(line)
		}
	}
}

// record takes a line of the file: a log record or a damaged one.
func (r *reader) record(line []byte) {
	if len(line) == 0 {
		return
	}
	torn := r.torn
	r.torn = false
	rec, err := r.scanner.scan(line)
	if err != nil {
		if !torn {
			r.broken(err)
		}
		var ok bool
		if rec, ok = r.scanner.salvage(line); !ok {
			return
		}
	}
	text, last := bytes.CutSuffix(rec.text, newline)
	open := r.lines.Open(rec.stream)
	r.lines.Add(rec.time, rec.stream, text, !rec.own, last)
	r.takeLines()
	if now := r.lines.Open(rec.stream); now != 0 && now != open {
		r.anchor(rec.stream)
	}
}

// anchor records where a stream's line begins, whose first piece is the current record. If the other stream
// has an incomplete line, too, the anchor of that line is used, because reading must continue there.
func (r *reader) anchor(stream int) {
	other := 1 - stream
	if r.lines.Open(other) != 0 {
		r.anchors[stream] = r.anchors[other]
		return
	}
	bookmark, _ := r.files[0].bookmark(r.at) // without a bookmark, the times of the lines are used
	r.anchors[stream] = anchor{bookmark: bookmark, lines: r.feed.Lines()}
}

var newline = []byte{'\n'}

// handOn hands on the lines read so far, with the bookmark of the position after them.
func (r *reader) handOn(ctx context.Context) error {
	bookmark := r.files[0].mark
	for stream, a := range r.anchors { // if both streams have an incomplete line, both have the same anchor
		if r.lines.Open(stream) == 0 {
			continue
		}
		if bookmark = a.bookmark; bookmark.Offset > 0 {
			bookmark.Lines = r.feed.Lines() - a.lines
		}
	}
	err := r.feed.HandOn(ctx, r.lines.Waiting(), bookmark)
	if err == tail.ErrFull {
		r.feed.State.Set(tail.Following)
		return nil
	}
	return err
}

// finish hands on the lines without a newline that will not get one.
func (r *reader) finish(ctx context.Context) error {
	if len(r.files) == 0 {
		return nil
	}
	r.feed.Chunk = r.buffers.Get(tail.MinChunk)
	defer r.feed.Drop()
	r.lines.End(tail.Stdout)
	r.lines.End(tail.Stderr)
	r.takeLines()
	return r.handOn(ctx)
}

var (
	errCut  = errors.New("the file ends in the middle of it")
	errLong = fmt.Errorf("it is longer than %d bytes", maxRecord)
)

// tear skips the beginning of a record that is longer than the limit.
func (r *reader) tear() {
	if !r.torn {
		r.broken(errLong)
		r.torn = true
	}
}

// broken counts a line that is not a log record, and logs one per file.
func (r *reader) broken(why error) {
	r.metrics.Broken.Inc()
	if s := r.files[0]; !s.brokenLogged {
		s.brokenLogged = true
		r.feed.Logger.Warn("a line of the log file is damaged and is passed over; a full disk or a crash may have cut it", "file", s.name, "offset", r.at, "error", why)
	}
}
