package queue

import (
	"bytes"
	"cmp"
	"hash/crc32"
	"io"
)

// windowBytes is how much a window reads at a time, which is about what disks read ahead anyway.
const windowBytes = 128 << 10

// window reads a file from its beginning to its end, in pieces that share one buffer. After a disk error,
// which err keeps, its methods find nothing.
type window struct {
	file io.ReaderAt
	size int64 // number of bytes that may be read
	err  error
	buf  []byte // owned; read returns parts of it
	at   int64  // offset of buf in the file
	n    int    // number of bytes in buf
}

func newWindow() *window { return &window{buf: make([]byte, windowBytes)} }

// reset begins with another file of size bytes.
func (w *window) reset(file io.ReaderAt, size int64) {
	*w = window{file: file, size: size, buf: w.buf}
}

// read returns n bytes from an offset, or fewer at the end of the file or after an error. They are valid
// until the next call. n is at most windowBytes.
func (w *window) read(offset int64, n int) []byte {
	b := w.peek(offset, n)
	return b[:min(n, len(b))]
}

// peek is read, and also returns the bytes after these in the buffer.
func (w *window) peek(offset int64, n int) []byte {
	if w.err != nil || offset >= w.size {
		return nil
	}
	end := min(offset+int64(n), w.size)
	if offset < w.at || end > w.at+int64(w.n) {
		got, err := w.file.ReadAt(w.buf[:min(windowBytes, w.size-offset)], offset)
		if offset+int64(got) < end {
			w.err = cmp.Or(err, io.ErrUnexpectedEOF)
			return nil
		}
		w.at, w.n = offset, got
	}
	return w.buf[offset-w.at : w.n]
}

// header returns the record header at an offset. It returns false if there is none.
func (w *window) header(segment uint64, offset int64) (header, bool) {
	b := w.read(offset, headerBytes)
	if len(b) < headerBytes {
		return header{}, false
	}
	return parseHeader(b, segment, offset)
}

// sum returns the CRC-32C of n bytes from an offset.
func (w *window) sum(offset, n int64) uint32 {
	sum := uint32(0)
	for n > 0 && w.err == nil {
		b := w.read(offset, int(min(n, windowBytes)))
		sum = crc32.Update(sum, castagnoli, b)
		offset += int64(len(b))
		n -= int64(len(b))
	}
	return sum
}

// find returns the offset of the first record header at or after an offset, or -1.
func (w *window) find(segment uint64, offset int64) int64 {
	for {
		b := w.peek(offset, headerBytes)
		if len(b) < headerBytes {
			return -1
		}
		i := bytes.Index(b, []byte(marker))
		if i < 0 {
			offset += int64(len(b) - len(marker) + 1) // the marker may span the boundary
			continue
		}
		offset += int64(i)
		if _, ok := w.header(segment, offset); ok {
			return offset
		}
		offset++
	}
}
