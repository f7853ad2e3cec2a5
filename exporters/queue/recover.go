package queue

import (
	"fmt"
	"os"
	"slices"

	"lighter"
)

// recover reads the segments of the directory into the index.
func (q *Queue) recover() error {
	files, err := os.ReadDir(q.Dir)
	if err != nil {
		return failed("open queue", err)
	}
	var numbers []uint64
	for _, f := range files {
		n, ok := segmentNumber(f.Name())
		if !ok {
			continue
		}
		q.next = max(q.next, n+1)
		if f.Type().IsRegular() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	w := newWindow()
	for _, n := range numbers {
		if err := q.recoverSegment(n, w); err != nil {
			_ = q.closeFiles()
			return err
		}
	}
	return nil
}

// recoverSegment reads one segment. If records wait in it, it is kept, and becomes the active one if it is
// undamaged and not full; otherwise its file is deleted.
func (q *Queue) recoverSegment(number uint64, w *window) error {
	q.active = nil
	s := &segment{number: number, path: segmentPath(q.Dir, number)}
	f, err := s.open()
	if err != nil {
		return failed("open queue", err)
	}
	defer s.close()
	info, err := f.Stat()
	if err != nil {
		return failed("open queue", err)
	}
	w.reset(f, min(info.Size(), maxFileBytes))
	d, err := q.scan(s, w)
	if err != nil {
		return err
	}
	if d.cut > 0 && s.live > 0 {
		d.broken = f.Truncate(s.size)
	}
	q.report(s, d)
	if d.unread != nil && s.live == 0 {
		return nil // it may be readable next time
	}
	q.segments = append(q.segments, s)
	q.bytes += s.size
	switch {
	case s.live == 0:
		if err := q.remove(s); err != nil && !lighter.DiskFails(err) { // makeRoom tries a full disk again
			return failed("open queue", err)
		}
	case d.unread == nil && d.broken == nil && s.size < q.segmentBytes:
		q.active = s
	}
	return nil
}

// maxFileBytes is the largest size of a segment; the rest of a longer file is ignored.
const maxFileBytes = segmentHeaderBytes + maxSegmentBytes + headerBytes + maxBodyBytes

// findings describes the damage of a segment.
type findings struct {
	lost    int64 // bytes in the middle that are not complete records
	lostAt  int64 // offset of the first of them
	records int   // number of damaged records with an intact header
	items   int   // number of items in these records
	cut     int64 // bytes after the last record
	unread  error // why the rest could not be read
	broken  error // why those bytes could not be cut off
}

func (d *findings) lose(at, n int64) {
	if d.lost == 0 {
		d.lostAt = at
	}
	d.lost += n
}

// scan adds the waiting records of a segment to the index, and sets the segment's size to the end of its
// last record.
func (q *Queue) scan(s *segment, w *window) (d findings, err error) {
	if w.size < segmentHeaderBytes {
		return d, nil // the process died while it created the file
	}
	first := w.read(0, segmentHeaderBytes)
	if w.err != nil {
		d.unread = w.err
		return d, nil
	}
	if v, ok := parseSegmentHeader(first); !ok {
		d.lose(0, segmentHeaderBytes)
	} else if v != version {
		return d, fmt.Errorf("open queue: %s has format %d, this lighter reads %d: %w. Run that version until it has sent what waits, or move the file away", s.path, v, version, ErrVersion)
	}
	s.size = segmentHeaderBytes
	for s.size < w.size && w.err == nil {
		h, ok := w.header(s.number, s.size)
		if end := s.size + headerBytes + int64(h.length); ok && end <= w.size {
			if !h.done {
				q.recoverRecord(s, h, w, &d)
			}
			s.size = end
			continue
		}
		next := int64(-1)
		if !ok { // an intact header without its complete body is the last thing that was written
			next = w.find(s.number, s.size+1)
		}
		if next < 0 {
			d.cut = w.size - s.size
			break
		}
		d.lose(s.size, next-s.size)
		s.size = next
	}
	if w.err != nil {
		d.cut, d.unread = 0, w.err
	}
	return d, nil
}

// recoverRecord adds a record that is not done. If its body is damaged, it marks the record as done
// instead, so that the next Open does not count it again.
func (q *Queue) recoverRecord(s *segment, h header, w *window, d *findings) {
	sum := w.sum(s.size+headerBytes, int64(h.length))
	switch {
	case w.err != nil:
	case sum == h.sum:
		q.add(s, h, s.size)
	default:
		d.lose(s.size, headerBytes+int64(h.length))
		d.records++
		d.items += int(h.items)
		_ = q.mark(s, s.size)
	}
}

// report logs and counts the damage of a segment.
func (q *Queue) report(s *segment, d findings) {
	if d.lost > 0 {
		q.Logger.Warn("a part of the queue on disk is damaged; what follows it is read", "file", s.path, "offset", d.lostAt, "bytes", d.lost, "records", d.records, "items", d.items)
	}
	if d.cut > 0 {
		q.Logger.Warn("the end of a file of the queue on disk is not a whole record, as after a crash; it is cut", "file", s.path, "offset", s.size, "bytes", d.cut)
	}
	if d.unread != nil {
		q.Logger.Warn("the end of a file of the queue on disk cannot be read; it goes with the file, once what was read is acknowledged", "offset", s.size, "error", failed("open queue", d.unread))
	}
	if d.broken != nil {
		q.Logger.Warn("the end of a file of the queue on disk cannot be cut; the next start will say so again", "offset", s.size, "error", failed("open queue", d.broken))
	}
	if d.records > 0 {
		q.Dropped(ReasonDamaged, d.records, d.items)
	}
}
