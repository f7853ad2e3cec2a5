package dockerlog

import (
	"context"
	"errors"
	"io"
	"time"

	"lighter/collector/position"
	"lighter/collector/tail"
)

// A log may be damaged: after a crash of the host, a file can have zero bytes in place of lines. To return
// the log from a certain time on, an Engine reads it from its start. It ends such a response before the
// damage without an error, and a follower then jumps to the end of the log and returns only lines that are
// written later. When it is asked for the last lines, the Engine searches for them from the end of the log,
// and so returns lines behind the damage. Therefore reading continues with as many last lines as the Engine
// can read.

// errHole means that a response lacks lines that the log contained when the response was opened.
var errHole = errors.New("the Engine does not return all that the log contains")

// remedy is the result of examining the log: how to request the next response, and what to expect of it. It
// applies to one response. The zero value requests all lines from the position on.
type remedy struct {
	last   int   // number of messages to request from the end of the log; 0 requests all from a time on
	oldest int64 // the time of the first of them when they were counted, Unix nanoseconds
	lost   bool  // the Engine cannot return the lines between the position and the response

	// unchecked means that the response is not compared with the end of the log, because an examination has
	// just found how much the Engine returns.
	unchecked bool
}

// cannotRead reports whether err, which ended a stream, indicates that the Engine cannot read the log from
// the position on. An error that the Engine reports may be temporary, and counts only if the stream
// returned nothing.
func (t *Tailer) cannotRead(err error, progress bool) bool {
	var reported engineError
	return errors.Is(err, errHole) || errors.Is(err, errMissed) || errors.As(err, &reported) && !progress
}

// examine finds out how to continue after a stream that ended with cause, and sets the remedy. The Engine
// may have deleted lines, it may be unable to read a part of the log, or it was only slow. examine returns
// cause if the Engine cannot return even the last message, and another error if a request failed. It blocks
// for up to maxExamination.
func (t *Tailer) examine(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, maxExamination)
	defer cancel()
	from, _ := t.feed.From()
	if errors.Is(cause, errMissed) {
		first, err := t.firstTime(ctx, 0, 0)
		if err != nil && !errors.Is(err, errNoTimestamp) {
			return t.explain("find the beginning of the log", err)
		}
		if first > from.Time || t.container.Podman {
			t.remedy = remedy{lost: true}
			return nil
		}
	}
	newest, err := t.newest(ctx)
	if err != nil {
		return t.explain("find the end of the log", err)
	}
	end, damaged, err := t.readableEnd(ctx, from, newest, mostMessages)
	switch {
	case err != nil:
		return t.explain("find what can be read of the log", err)
	case damaged && end.n == 0:
		return cause
	case !damaged && !reaches(end.oldest, from):
		t.remedy = remedy{unchecked: true} // the Engine can read all of it
	default:
		t.remedy = remedy{last: end.n, oldest: end.oldest, unchecked: true, lost: !reaches(end.oldest, from)}
	}
	return nil
}

// maxExamination limits the duration of an examination, in which the Engine reads the log several times.
const maxExamination = 5 * time.Minute

// reaches reports whether the lines from time oldest on include the line before the position.
func reaches(oldest int64, from position.Position) bool { return oldest < from.Since() }

// Numbers of last messages to begin and to end a search with.
const (
	fewMessages  = 64
	someMessages = 1 << 12
	mostMessages = 1 << 22
)

// readableEnd returns the last messages of the log that the Engine can return, fewer than most, and reports
// whether the log is damaged before them. It stops searching as soon as they reach back beyond the
// position. newest is the time of the log's last message before the search.
//
// The log may be written in the meantime: a response may be shorter than requested because the log is
// short, and the next one may begin later. So a short response alone proves nothing.
func (t *Tailer) readableEnd(ctx context.Context, from position.Position, newest int64, most int) (end messages, damaged bool, err error) {
	for try := fewMessages; ; try = min(4*try, most-1) {
		got, err := t.lastMessages(ctx, try, 0)
		switch {
		case err != nil:
			return messages{}, false, err
		case got.n < try:
			for range 3 { // the Engine may delete messages between two responses
				if sound, err := t.isAll(ctx, got, newest, try); err != nil || sound {
					return got, false, err
				}
				if newest, err = t.newest(ctx); err != nil {
					return messages{}, false, err
				}
				if got, err = t.lastMessages(ctx, try, 0); err != nil {
					return messages{}, false, err
				}
			}
			end, err = t.search(ctx, end, try)
			return end, true, err
		}
		if end = got; reaches(end.oldest, from) || try == most-1 {
			return end, false, nil
		}
	}
}

// isAll reports whether all was the whole log when most last messages were requested, or whether the log
// has more than most messages by now. newest is the time of the log's last message before the search.
//
// A response of a damaged log ends before the newest message, or lacks some in the middle. For a sound log,
// requesting as many last messages as all has yields the same first message, or a later one if the log has
// grown. A third response shows by how much it has grown.
func (t *Tailer) isAll(ctx context.Context, all messages, newest int64, most int) (bool, error) {
	switch {
	case all.n >= most, all.n == 0 && newest == 0:
		return true, nil
	case all.n == 0 || all.newest < newest:
		return false, nil
	}
	again, err := t.lastMessages(ctx, all.n, 0)
	if err != nil || again.n < all.n || again.oldest <= all.oldest {
		return again.n >= all.n, err
	}
	grown, err := t.lastMessages(ctx, most, again.oldest)
	return grown.earlier <= grown.n-all.n, err
}

// newest returns the time of the log's last message, or 0 if there is none, or none with a time.
func (t *Tailer) newest(ctx context.Context) (int64, error) {
	at, err := t.firstTime(ctx, 0, 1)
	if errors.Is(err, errNoTimestamp) {
		err = nil
	}
	return at, err
}

// search returns the most last messages, fewer than tooMany, that the Engine can return. The Engine is
// known to be able to return end.
func (t *Tailer) search(ctx context.Context, end messages, tooMany int) (messages, error) {
	for end.n < tooMany-1 {
		try := end.n + (tooMany-end.n)/2
		got, err := t.lastMessages(ctx, try, 0)
		if err != nil {
			return messages{}, err
		}
		if got.n < try {
			tooMany = try
		} else {
			end = got
		}
	}
	return end, nil
}

// messages describes the messages of a response, as far as the response can be read.
type messages struct {
	n      int
	oldest int64 // the time of the first one, Unix nanoseconds
	newest int64 // the greatest time

	earlier int // number of messages with an earlier time than the argument of lastMessages
}

// lastMessages requests the last n messages of the log, and counts those before a time.
func (t *Tailer) lastMessages(ctx context.Context, n int, before int64) (messages, error) {
	body, err := t.o.Engine.OpenLogs(ctx, t.container.ID, 0, false, n)
	if err != nil {
		return messages{}, err
	}
	defer body.Close()
	d := decoder{
		lines:   tail.Lines{MaxBytes: minPiece, Terminal: t.container.TTY},
		broken:  func(error) {}, // the Engine can read it
		started: t.started.UnixNano(),
		before:  before,
	}
	err = d.decodeAll(body)
	var reported engineError
	if errors.As(err, &reported) {
		err = nil // damage that the Engine reports
	}
	return messages{d.messages, d.oldest, d.newest, d.earlier}, err
}

// decodeAll decodes a response to its end and discards the lines.
func (d *decoder) decodeAll(body io.Reader) error {
	buf := make([]byte, 0, mediumChunk)
	for {
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		d.decode(buf)
		for d.next() {
		}
		if d.err != nil {
			return d.err
		}
		rest := d.rest()
		if size := max(d.need(rest), len(rest)+minRead); size > cap(buf) {
			buf = append(make([]byte, 0, size), rest...)
		} else {
			buf = append(buf[:0], rest...)
		}
		switch {
		case err == io.EOF:
			d.finish(buf)
			for d.next() {
			}
			return d.err
		case err != nil:
			return err
		}
	}
}
