package queue

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"lighter"
)

// Policy says what Append does when there is no room within MaxBytes.
type Policy int

const (
	// Refuse makes Append return ErrFull.
	Refuse Policy = iota
	// DropOldest deletes the oldest segments, whatever of them is not acknowledged.
	DropOldest
)

// Why records were dropped, as Options.Dropped is told.
const (
	ReasonFull    = "buffer_full"
	ReasonDamaged = "buffer_damaged"
)

// Options are what a Queue works with. All are required.
type Options struct {
	Dir      string // made if it is not there
	MaxBytes int64  // of all files; a smaller one than last time is obeyed by Full
	Lanes    int    // 1 to 65,536
	Full     Policy

	// Dropped is told what will not come out any more: why, how many records, and how many
	// items they have. It is called with the queue locked and must not call it.
	Dropped func(reason string, records, items int)
	Logger  *slog.Logger
}

// maxSegmentBytes is what a segment has at most, unless a single record is larger: small
// enough that space is soon free again and little is dropped at a time, large enough that
// the limit of 512 MiB makes no more than 128 files.
const maxSegmentBytes = 4 << 20

// Queue is a queue on disk.
type Queue struct {
	Options
	segmentBytes int64
	writeAt      func(f *os.File, b []byte, offset int64) (int, error) // (*os.File).WriteAt, but in tests of full disks
	done         chan struct{}                                         // closed by Close

	mu       sync.Mutex
	segments []*segment // by number
	unmade   bool       // the disk had no room for the directory
	active   *segment   // the last one, while records may be appended to it; else nil
	next     uint64     // number of the next segment
	lanes    []lane
	buf      []byte  // of headers and states on their way to a file
	spare    []entry // the index of a removed segment, for the next one
	bytes    int64   // of all segments
	records  int     // not settled
	items    int     // of those
	closed   bool

	statsMu sync.Mutex // guards stats; taken after mu, and not held while the disk is read or written
	stats   Stats
}

// Open returns the queue of a directory, with all that waits in it, which it reads once
// from end to end. It fails when the directory cannot be used, and with ErrVersion. That the disk
// has no room for the directory is survived: it is logged, and Append makes the directory when it can.
func Open(o Options) (*Queue, error) {
	if o.MaxBytes < 1 || o.Lanes < 1 || o.Lanes > 1<<16 {
		return nil, fmt.Errorf("open queue %s: bytes (%d) must be above 0, lanes (%d) from 1 to 65536", o.Dir, o.MaxBytes, o.Lanes)
	}
	q := &Queue{
		Options:      o,
		segmentBytes: min(maxSegmentBytes, o.MaxBytes/16),
		writeAt:      (*os.File).WriteAt,
		done:         make(chan struct{}),
		lanes:        make([]lane, o.Lanes),
	}
	for i := range q.lanes {
		q.lanes[i].changed = make(chan struct{}, 1)
	}
	err := os.MkdirAll(o.Dir, 0o700)
	switch {
	case lighter.DiskFails(err):
		q.unmade = true
		o.Logger.Warn("the directory of a queue on disk cannot be made yet", "error", failed("open queue", err))
	case err != nil:
		return nil, failed("open queue", err)
	default:
		if err := q.recover(); err != nil {
			return nil, err
		}
	}
	if o.Full == DropOldest {
		for q.bytes > q.MaxBytes {
			err := q.dropOldest()
			if lighter.DiskFails(err) {
				break // Append tries it again
			}
			if err != nil {
				return nil, failed("make the queue smaller", err)
			}
		}
	}
	q.publish()
	return q, nil
}

// Stats is what a queue holds.
type Stats struct {
	Records int       // not acknowledged; those that are taken count too
	Items   int       // of those
	Bytes   int64     // on disk
	Oldest  time.Time // when the oldest of them was appended; zero if there is none
}

// Stats returns what the queue holds now. It does not wait for the disk: an Append or Ack that is
// under way does not count yet.
func (q *Queue) Stats() Stats {
	q.statsMu.Lock()
	defer q.statsMu.Unlock()
	return q.stats
}

// Len returns how many records of a lane are not acknowledged; those that are taken count too.
func (q *Queue) Len(lane int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lanes[lane].live
}

// publish makes Stats return what the queue holds now. mu is held.
func (q *Queue) publish() {
	st := Stats{Records: q.records, Items: q.items, Bytes: q.bytes}
	if i := slices.IndexFunc(q.segments, func(s *segment) bool { return s.live > 0 }); i >= 0 {
		st.Oldest = time.UnixMilli(q.segments[i].oldestTime())
	}
	q.statsMu.Lock()
	defer q.statsMu.Unlock()
	q.stats = st
}

// Close ends every Next with ErrClosed and closes the files. What is not acknowledged comes
// again when the directory is next opened.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	defer q.publish()
	q.closed = true
	close(q.done)
	var errs []error
	for _, s := range slices.Clone(q.segments) {
		if s.live == 0 {
			errs = append(errs, q.remove(s))
		}
	}
	errs = append(errs, q.closeFiles())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close queue: %w", err)
	}
	return nil
}

func (q *Queue) closeFiles() error {
	var errs []error
	for _, s := range q.segments {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// remove deletes a segment and forgets it; its entries that are not settled are the
// caller's to count. Where the file cannot be deleted the segment stays as it is.
func (q *Queue) remove(s *segment) error {
	if err := s.delete(); err != nil {
		return err
	}
	q.bytes -= s.size
	if i := slices.Index(q.segments, s); i >= 0 {
		q.segments = slices.Delete(q.segments, i, i+1)
	}
	if q.active == s {
		q.active = nil
	}
	if s.live == 0 {
		q.spare, s.index = s.index[:0], nil
	}
	return nil
}
