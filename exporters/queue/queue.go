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

// Policy decides what Append does if there is no room within MaxBytes.
type Policy int

const (
	// Refuse makes Append return ErrFull.
	Refuse Policy = iota
	// DropOldest deletes the oldest segments with all their unacknowledged records.
	DropOldest
)

// The reasons for dropping records, as passed to Options.Dropped.
const (
	ReasonFull    = "buffer_full"
	ReasonDamaged = "buffer_damaged"
)

// Options are the settings of a Queue. All are required.
type Options struct {
	Dir      string // created if it does not exist
	MaxBytes int64  // of all files; policy Full applies if it is smaller than before
	Lanes    int    // 1 to 65,536
	Full     Policy

	// Dropped is called with the reason, the number of records, and the number of their items when records
	// are dropped. The queue is locked during the call, so Dropped must not call it.
	Dropped func(reason string, records, items int)
	Logger  *slog.Logger
}

// maxSegmentBytes is the largest size of a segment, unless a single record is larger. It is small enough
// that space is soon free again and little is dropped at a time, and large enough that the limit of 512 MiB
// makes no more than 128 files.
const maxSegmentBytes = 4 << 20

// Queue is a queue on disk.
type Queue struct {
	Options
	segmentBytes int64
	writeAt      func(f *os.File, b []byte, offset int64) (int, error) // (*os.File).WriteAt, except in tests of full disks
	done         chan struct{}                                         // closed by Close

	mu       sync.Mutex
	segments []*segment // sorted by number
	unmade   bool       // the disk had no room for the directory
	active   *segment   // the last segment while records may be appended to it, or nil
	next     uint64     // number of the next segment
	lanes    []lane
	buf      []byte  // for headers and states
	spare    []entry // the index of a removed segment, to be reused
	bytes    int64   // total size of all segments
	records  int     // number of records that are not settled
	items    int     // number of their items
	closed   bool

	statsMu sync.Mutex // guards stats; locked after mu, and not held while the disk is accessed
	stats   Stats
}

// Open opens the queue in a directory, with all its waiting records, and reads the directory completely. It
// returns an error if the directory cannot be used, and ErrVersion. If the disk has no room for the
// directory, Open logs that, and Append creates the directory when it can.
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
				break // Append tries again
			}
			if err != nil {
				return nil, failed("make the queue smaller", err)
			}
		}
	}
	q.publish()
	return q, nil
}

// Stats is the content of a queue in numbers.
type Stats struct {
	Records int       // not acknowledged, including those that are taken
	Items   int       // of those
	Bytes   int64     // on disk
	Oldest  time.Time // when the oldest record was appended, or zero
}

// Stats returns the present content. It does not wait for the disk: an Append or Ack in progress is not
// included yet.
func (q *Queue) Stats() Stats {
	q.statsMu.Lock()
	defer q.statsMu.Unlock()
	return q.stats
}

// Len returns the number of a lane's unacknowledged records, including those that are taken.
func (q *Queue) Len(lane int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lanes[lane].live
}

// publish updates the result of Stats. The caller holds mu.
func (q *Queue) publish() {
	st := Stats{Records: q.records, Items: q.items, Bytes: q.bytes}
	if i := slices.IndexFunc(q.segments, func(s *segment) bool { return s.live > 0 }); i >= 0 {
		st.Oldest = time.UnixMilli(q.segments[i].oldestTime())
	}
	q.statsMu.Lock()
	defer q.statsMu.Unlock()
	q.stats = st
}

// Close makes every Next return ErrClosed, and closes the files. Unacknowledged records come out again when
// the directory is next opened.
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

// remove deletes a segment. The caller counts its unsettled entries. If the file cannot be deleted, the
// segment remains unchanged.
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
