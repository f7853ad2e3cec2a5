package queue

import (
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// What tests need to know of the format, and of disks that fail.
const (
	HeaderBytes        = headerBytes
	SegmentHeaderBytes = segmentHeaderBytes
	WindowBytes        = windowBytes
)

// AppendSegmentHeader appends the header of a segment of some version.
func AppendSegmentHeader(b []byte, version uint32) []byte { return appendSegmentHeader(b, version) }

// AppendRecord appends a record that declares a body of length bytes, with checksums valid at the end of b,
// which is segment 0 so far.
func AppendRecord(b []byte, length, items uint32, key uint64, time int64, body []byte) []byte {
	h := header{length: length, items: items, key: key, time: time, sum: crc32.Checksum(body, castagnoli)}
	return append(h.append(b, 0, int64(len(b))), body...)
}

// SegmentPath is the file of a segment.
func SegmentPath(dir string, number uint64) string { return segmentPath(dir, number) }

// SetWriteAt replaces how q writes to files.
func (q *Queue) SetWriteAt(write func(f *os.File, b []byte, offset int64) (int, error)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writeAt = write
}

// Scan reads a segment from r into the index. It returns the number of bytes that are damaged or will be
// cut off, and why it could not read further.
func (q *Queue) Scan(r io.ReaderAt, size int64) (bad int64, unread error) {
	w := newWindow()
	w.reset(r, size)
	d, err := q.scan(&segment{}, w)
	q.publish()
	return d.cut + d.lost, errors.Join(err, d.unread)
}

// IndexEntries returns the number of entries of the index, including settled ones.
func (q *Queue) IndexEntries() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.segments {
		n += len(s.index)
	}
	return n
}
