package queue

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"
)

// Append writes a record to its key's lane and returns when the operating system has it. It does not keep
// body. If it returns an error, the record was not added: ErrFull, ErrTooLarge, ErrClosed, or a disk error
// with the file and a remedy. The next Append may succeed.
func (q *Queue) Append(key uint64, items int, body []byte) error {
	return q.append(key, items, body, q.MaxBytes)
}

// AppendMoved is Append for the rest of a record that the caller has taken and acknowledges next. The
// acknowledgement frees space only when all of the record's segment is acknowledged, so AppendMoved may
// exceed MaxBytes by one segment.
func (q *Queue) AppendMoved(key uint64, items int, body []byte) error {
	return q.append(key, items, body, q.MaxBytes+max(q.segmentBytes, segmentHeaderBytes+headerBytes+int64(len(body))))
}

func (q *Queue) append(key uint64, items int, body []byte, maxBytes int64) error {
	size := headerBytes + int64(len(body))
	if len(body) > maxBodyBytes || segmentHeaderBytes+size > maxBytes {
		return fmt.Errorf("%w: %d bytes into a queue of %d", ErrTooLarge, size, maxBytes)
	}
	if items < 0 || items > math.MaxUint32 {
		return fmt.Errorf("append to the queue on disk: %d items", items)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	defer q.publish()
	if err := q.makeRoom(size, maxBytes); err != nil {
		return err
	}
	h := header{
		length: uint32(len(body)),
		items:  uint32(items),
		key:    key,
		time:   time.Now().UnixMilli(),
		sum:    crc32.Checksum(body, castagnoli),
	}
	s, err := q.put(h, body)
	if err != nil {
		return failed("append to the queue on disk", err)
	}
	q.add(s, h, s.size)
	s.size += size
	q.bytes += size
	return nil
}

// add counts a waiting record at an offset of s, and wakes its lane.
func (q *Queue) add(s *segment, h header, offset int64) {
	lane := int(h.key % uint64(q.Lanes))
	s.add(h, offset, lane)
	q.records++
	q.items += int(h.items)
	l := &q.lanes[lane]
	l.waiting++
	l.live++
	l.wake()
}

// put writes a record at the end of the active segment, or of a new one, and returns that segment.
func (q *Queue) put(h header, body []byte) (*segment, error) {
	for {
		s, err := q.writable(headerBytes + int64(len(body)))
		if err != nil {
			return nil, err
		}
		if err = q.write(s, h, body); err == nil {
			return s, nil
		}
		if !s.gone || s.size == segmentHeaderBytes {
			return nil, err
		}
		// The disk may have been full because of acknowledged records in that segment.
	}
}

// joinedBytes is how much of a body is written together with its header. Copying that costs less than a
// second write(2).
const joinedBytes = 64 << 10

// write writes a complete record at the end of s, or leaves s unchanged. The part of the body that does not
// go with the header is written first, without copying it: without a header, it has no effect. A header
// without its complete body is cut off when the file is next opened.
func (q *Queue) write(s *segment, h header, body []byte) (err error) {
	joined := min(len(body), joinedBytes)
	if rest := body[joined:]; len(rest) > 0 {
		_, err = q.writeAt(s.file, rest, s.size+headerBytes+int64(joined))
	}
	if err == nil {
		q.buf = append(h.append(q.buf[:0], s.number, s.size), body[:joined]...)
		_, err = q.writeAt(s.file, q.buf, s.size)
	}
	if err == nil {
		return nil
	}
	switch {
	case s.live == 0:
		_ = q.remove(s) // it contains no record
	case s.file.Truncate(s.size) != nil:
		q.seal() // a part remains behind its end, and is cut off at the next Open
	}
	return err
}

// writable returns the segment for a record of size bytes, with its file open: the active one, or a new one
// if that is full.
func (q *Queue) writable(size int64) (*segment, error) {
	if q.active != nil && q.overflows(q.active, size) {
		if q.active.live > 0 {
			q.seal()
		} else if err := q.remove(q.active); err != nil {
			return nil, err
		}
	}
	if q.active != nil {
		_, err := q.active.open()
		return q.active, err
	}
	s, err := q.create()
	if err != nil {
		return nil, err
	}
	q.segments = append(q.segments, s)
	q.active = s
	q.bytes += s.size
	return s, nil
}

// overflows reports whether a record of size bytes belongs in the segment after s. A record that is larger
// than a segment has one to itself.
func (q *Queue) overflows(s *segment, size int64) bool {
	return s.size+size > q.segmentBytes && s.size > segmentHeaderBytes
}

// seal ends the active segment. Its file is opened again when a record is read or acknowledged.
func (q *Queue) seal() {
	_ = q.active.close()
	q.active = nil
}

// create creates the file of the next segment.
func (q *Queue) create() (*segment, error) {
	s := &segment{number: q.next, path: segmentPath(q.Dir, q.next), size: segmentHeaderBytes, index: q.spare}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if q.unmade && errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(q.Dir, 0o700); err == nil {
			f, err = os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	s.file = f
	q.buf = appendSegmentHeader(q.buf[:0], version)
	if _, err := q.writeAt(f, q.buf, 0); err != nil {
		if s.delete() != nil {
			q.next++ // the name is in use
		}
		return nil, err
	}
	q.next++
	q.spare = nil
	return s, nil
}

// makeRoom returns nil if a record of size bytes fits within maxBytes, after dropping what the policy
// allows.
func (q *Queue) makeRoom(size, maxBytes int64) error {
	for {
		total := q.bytes + size
		if q.active == nil || q.overflows(q.active, size) {
			total += segmentHeaderBytes
		}
		if total <= maxBytes {
			return nil
		}
		var err error
		if i := slices.IndexFunc(q.segments, func(s *segment) bool { return s.live == 0 }); i >= 0 {
			err = q.remove(q.segments[i])
		} else if q.Full == Refuse {
			return fmt.Errorf("%w: %d of %d bytes in %s", ErrFull, q.bytes, maxBytes, q.Dir)
		} else {
			err = q.dropOldest()
		}
		if err != nil {
			return failed("make room in the queue on disk", err)
		}
	}
}

// dropOldest removes the oldest segment and counts the records that waited in it. Records that are taken
// stay with their taker: if acknowledged they were delivered, and if returned they are dropped then.
func (q *Queue) dropOldest() error {
	s := q.segments[0]
	if err := q.remove(s); err != nil {
		return err
	}
	records, items := 0, 0
	for i := range s.index {
		e := &s.index[i]
		if e.state == settled {
			continue
		}
		q.records--
		q.items -= int(e.items)
		q.lanes[e.lane].live--
		if e.state == waiting {
			e.state = settled
			q.lanes[e.lane].waiting--
			records++
			items += int(e.items)
		}
	}
	if records > 0 {
		q.Dropped(ReasonFull, records, items)
	}
	return nil
}
