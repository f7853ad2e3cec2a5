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

// maxRecord is the longest line of a file that is read: a piece of 16 KiB of which every byte
// is escaped takes a tenth.
const maxRecord = 1 << 20

// reader reads the files of one log, from its position to the end that they have at present.
type reader struct {
	container *lighter.Container
	path      string
	feed      *tail.Feed
	buffers   *tail.Buffers
	metrics   *tail.Metrics
	created   func() tally // the watch's count

	files    []*segment // open: the one being read, and all newer ones
	rotation bool       // whether there may be newer ones that are not open
	began    tally      // count when the newest of them was opened

	scanner scanner
	lines   tail.Lines
	anchors [2]anchor // by stream
	need    int       // bytes that the next read must have room for
	torn    bool      // the beginning of the line at hand was longer than any record and is passed over
	at      int64     // offset of the line at hand
}

// anchor is the place before the first piece of a line that is not whole.
type anchor struct {
	hint  position.Hint
	lines int // that had come before it
}

func newReader(c *lighter.Container, feed *tail.Feed, o Options) reader {
	return reader{
		container: c,
		path:      Path(o.Root, c),
		feed:      feed,
		buffers:   o.Buffers,
		metrics:   o.Metrics,
		lines:     tail.Lines{MaxBytes: o.MaxLineBytes, Terminal: c.TTY, Valid: true, Cut: o.Metrics.Truncated.Inc, Emit: feed.Line},
	}
}

// drain reads and hands on all there is, and reports whether there was anything.
func (r *reader) drain(ctx context.Context) (read bool, err error) {
	if len(r.files) == 0 {
		if err := r.open(); err != nil || len(r.files) == 0 {
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
		// A file that there is a newer one of was finished before it was read to its end here. The
		// newest may have grown meanwhile; that is for the next time.
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

// close closes what is open. The log is opened again where reading goes on.
func (r *reader) close() {
	closeAll(r.files)
	r.files = nil
}

// read reads once from the first file and hands on what it gave. It reports whether it took
// anything, and whether there was more than fitted.
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
	s.keep(c.Buf[taken:])
	s.mark = s.hintAfter(c.Buf[:taken])
	return taken > 0, more, r.handOn(ctx)
}

// decode takes the whole lines from the front of b, which begins at an offset, and returns how
// many bytes they are.
func (r *reader) decode(b []byte, offset int64) (taken int) {
	for {
		n := bytes.IndexByte(b[taken:], '\n')
		if n < 0 {
			return taken
		}
		r.at = offset + int64(taken)
		r.line(b[taken : taken+n])
		taken += n + 1
	}
}

// line takes a line of the file.
func (r *reader) line(line []byte) {
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
	r.lines.Message(rec.time, rec.stream, text, rec.own, last)
	if now := r.lines.Open(rec.stream); now != 0 && now != open {
		r.drop(rec.stream)
	}
}

// drop drops the anchor of a stream's line that has just begun. Where the other stream's line
// waits too, it is that one's: its end comes after this place, but not its beginning.
func (r *reader) drop(stream int) {
	other := 1 - stream
	if r.lines.Open(other) != 0 {
		r.anchors[stream] = r.anchors[other]
		return
	}
	hint, _ := r.files[0].hint(r.at) // without it there are the times of lines
	r.anchors[stream] = anchor{hint: hint, lines: r.feed.Lines()}
}

var newline = []byte{'\n'}

// handOn hands on the lines read so far, with the place from which they need not be read
// again.
func (r *reader) handOn(ctx context.Context) error {
	hint := r.files[0].mark
	for stream, a := range r.anchors { // of two the same
		if r.lines.Open(stream) == 0 {
			continue
		}
		if hint = a.hint; hint.Offset > 0 {
			hint.Lines = r.feed.Lines() - a.lines
		}
	}
	err := r.feed.HandOn(ctx, r.lines.Waiting(), hint)
	if err == tail.ErrFull {
		r.feed.State.Set(tail.Following)
		return nil
	}
	return err
}

// finish hands on the lines that no newline will come for.
func (r *reader) finish(ctx context.Context) error {
	if len(r.files) == 0 {
		return nil
	}
	r.feed.Chunk = r.buffers.Get(tail.MinChunk)
	defer r.feed.Drop()
	r.lines.End(tail.Stdout)
	r.lines.End(tail.Stderr)
	return r.handOn(ctx)
}

var (
	errCut  = errors.New("the file ends in the middle of it")
	errLong = fmt.Errorf("it is longer than %d bytes", maxRecord)
)

// tear passes over the beginning of a line that is longer than any record.
func (r *reader) tear() {
	if !r.torn {
		r.broken(errLong)
		r.torn = true
	}
}

// broken counts what was no record, and says so once a file.
func (r *reader) broken(why error) {
	r.metrics.Broken.Inc()
	if s := r.files[0]; !s.said {
		s.said = true
		r.feed.Logger.Warn("a line of the log file is no record and is passed over; a full disk or a crash may have cut it", "file", s.name, "offset", r.at, "error", why)
	}
}
