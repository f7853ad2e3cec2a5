package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// lane is the state of one reader.
type lane struct {
	at      cursor        // no record of the lane waits before it
	waiting int           // number of records that are neither taken nor settled
	live    int           // number of records that are not settled
	changed chan struct{} // capacity 1: receives a value when waiting has grown
}

// cursor is an index entry of a segment, which may no longer exist.
type cursor struct {
	segment uint64
	index   int
}

func (c cursor) compare(other cursor) int {
	return cmp.Or(cmp.Compare(c.segment, other.segment), cmp.Compare(c.index, other.index))
}

func (l *lane) wake() {
	select {
	case l.changed <- struct{}{}:
	default: // it already has a value
	}
}

// Record is a record returned by Next. It does not contain the body, which Body reads.
type Record struct {
	Items int
	Bytes int       // of the body
	Time  time.Time // of its Append, rounded to milliseconds

	queue   *Queue
	segment *segment
	index   int
}

// Next takes the oldest record of a lane that is neither acknowledged nor taken, and waits until there is
// one. It returns ctx's error when ctx ends, and ErrClosed after Close. Only one goroutine per lane may
// call it at a time.
func (q *Queue) Next(ctx context.Context, lane int) (Record, error) {
	for {
		if ctx.Err() != nil {
			return Record{}, ctx.Err()
		}
		r, ok, err := q.TryNext(lane)
		if ok || err != nil {
			return r, err
		}
		select {
		case <-q.lanes[lane].changed:
		case <-q.done:
		case <-ctx.Done():
		}
	}
}

// TryNext is Next without waiting. It returns false if there is no record. As with Next, only one goroutine
// per lane may call it at a time.
func (q *Queue) TryNext(lane int) (Record, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return Record{}, false, ErrClosed
	}
	l := &q.lanes[lane]
	if l.waiting == 0 {
		return Record{}, false, nil
	}
	from, found := slices.BinarySearchFunc(q.segments, l.at.segment, func(s *segment, n uint64) int { return cmp.Compare(s.number, n) })
	start := 0
	if found {
		start = l.at.index
	}
	for _, s := range q.segments[from:] {
		for i := start; i < len(s.index); i++ {
			if e := &s.index[i]; int(e.lane) == lane && e.state == waiting {
				e.state = taken
				l.waiting--
				l.at = cursor{s.number, i + 1}
				return Record{
					Items:   int(e.items),
					Bytes:   int(e.length),
					Time:    time.UnixMilli(s.base + int64(e.age)),
					queue:   q,
					segment: s,
					index:   i,
				}, true, nil
			}
		}
		start = 0
	}
	return Record{}, false, nil
}

// entry returns the record's entry while the record is taken, and nil afterwards.
func (r Record) entry() *entry {
	if s := r.segment; s != nil && r.index < len(s.index) {
		if e := &s.index[r.index]; e.state == taken || e.state == damaged {
			return e
		}
	}
	return nil
}

// Body reads the record's body from the file and appends it to dst. Recently written records are in the
// system's page cache. If it fails, log the error, Return the record, pause, and continue with Next: the
// record comes out again, unless it was dropped in the meantime or is damaged, in which case Return counts
// it.
func (r Record) Body(dst []byte) ([]byte, error) {
	for {
		body, err := r.queue.readBody(r, dst)
		switch {
		case err == nil:
			return body, nil
		case errors.Is(err, os.ErrClosed): // the segment was sealed during the read
			continue
		case errors.Is(err, errDamaged), errors.Is(err, fs.ErrNotExist):
			r.queue.damage(r)
		}
		return dst, failed("read from the queue on disk", err)
	}
}

// readBody makes one attempt of Body.
func (q *Queue) readBody(r Record, dst []byte) ([]byte, error) {
	q.mu.Lock()
	e, s := r.entry(), r.segment
	if e == nil {
		q.mu.Unlock()
		return nil, errSettled
	}
	offset, length, sum := int64(e.offset)+headerBytes, int(e.length), e.sum
	f, err := q.fileOf(s)
	q.mu.Unlock() // the disk may be slow
	if err != nil {
		return nil, err
	}
	all := slices.Grow(dst, length)[:len(dst)+length]
	body := all[len(dst):]
	switch _, err := f.ReadAt(body, offset); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s at %d: %w: it is cut off off off", f.Name(), offset, errDamaged)
	case err != nil:
		return nil, err
	case crc32.Checksum(body, castagnoli) != sum:
		return nil, fmt.Errorf("%s at %d: %w: its checksum is wrong", f.Name(), offset, errDamaged)
	}
	return all, nil
}

// fileOf returns the open file of a segment.
func (q *Queue) fileOf(s *segment) (*os.File, error) {
	switch {
	case q.closed:
		return nil, ErrClosed
	case s.gone:
		return nil, errSettled
	}
	return s.open()
}

// damage marks a record whose body can never be read.
func (q *Queue) damage(r Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := r.entry(); e != nil {
		e.state = damaged
	}
}

// Ack declares that a record is delivered, or refused for good. The record will not come out again, not
// even after a kill -9. If Ack returns an error, that holds only for this process, and perhaps not for the
// next. Records may be acknowledged in any order; acknowledging one twice is no error.
func (q *Queue) Ack(r Record) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := r.entry()
	if e == nil {
		return nil
	}
	defer q.publish()
	return q.settle(r.segment, e)
}

// Return returns a record that was not sent. It becomes the lane's next again; several returned records
// come out in their order, before later ones.
func (q *Queue) Return(r Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.publish()
	e := r.entry()
	switch {
	case e == nil:
	case r.segment.gone: // dropped by dropOldest, which left the counting to us
		e.state = settled
		q.Dropped(ReasonFull, 1, r.Items)
	case e.state == damaged:
		_ = q.settle(r.segment, e)
	default:
		e.state = waiting
		l := &q.lanes[e.lane]
		if at := (cursor{r.segment.number, r.index}); at.compare(l.at) < 0 {
			l.at = at
		}
		l.waiting++
		l.wake()
	}
}

// settle settles a taken record, also on disk, and removes its segment if it was the last one.
func (q *Queue) settle(s *segment, e *entry) error {
	wasDamaged := e.state == damaged
	e.state = settled
	if s.gone {
		return nil
	}
	s.live--
	q.records--
	q.items -= int(e.items)
	q.lanes[e.lane].live--
	if wasDamaged {
		q.Dropped(ReasonDamaged, 1, int(e.items))
	}
	if err := q.mark(s, int64(e.offset)); err != nil {
		return failed("acknowledge in the queue on disk", err)
	}
	// An empty active segment is kept until it has some size. Otherwise a queue that becomes empty after
	// each record would make a file for each.
	if s.live == 0 && (s != q.active || s.size >= q.segmentBytes/4) {
		if err := q.remove(s); err != nil {
			return failed("delete what is acknowledged from the queue on disk", err)
		}
	}
	return nil
}

// mark records on disk that the record at an offset of s is done.
func (q *Queue) mark(s *segment, offset int64) error {
	f, err := q.fileOf(s)
	if err != nil {
		return err
	}
	q.buf = append(q.buf[:0], stateDone)
	_, err = q.writeAt(f, q.buf, offset+int64(stateAt))
	return err
}
