package journalfile

import (
	"errors"
	"io"
)

const (
	windowBytes = 16 << 10
	windowCount = 64
)

// Windows keep parts of files in memory, 1 MiB in all, so that the many small objects of a file do not cost a
// system call each. They are shared by files that one goroutine reads. The zero value is ready.
type Windows struct {
	windows  [windowCount]window
	files    uint64   // number of files that were opened with it
	inflater inflater // for their compressed fields
}

// window is a part of a file, as of one Refresh of it.
type window struct {
	file  *File
	round uint64 // the file's
	part  uint64 // the number of the part
	buf   []byte
}

// Forget releases the memory until it is needed again.
func (w *Windows) Forget() { w.windows, w.inflater = [windowCount]window{}, inflater{} }

// read fills b from offset at of a file.
func (w *Windows) read(f *File, at uint64, b []byte) error {
	if len(b) > windowBytes {
		return readFull(f.r, b, at)
	}
	for len(b) > 0 {
		part, from := at/windowBytes, at%windowBytes
		own := &w.windows[(part+f.serial*17)%windowCount]
		if own.file != f || own.part != part || own.round != f.round {
			if cap(own.buf) == 0 {
				own.buf = make([]byte, windowBytes)
			}
			own.file = nil
			n, err := f.r.ReadAt(own.buf[:windowBytes], int64(part*windowBytes))
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			own.file, own.part, own.round, own.buf = f, part, f.round, own.buf[:n]
		}
		if from >= uint64(len(own.buf)) {
			return io.ErrUnexpectedEOF
		}
		n := copy(b, own.buf[from:])
		b, at = b[n:], at+uint64(n)
	}
	return nil
}

func readFull(r io.ReaderAt, b []byte, at uint64) error {
	n, err := r.ReadAt(b, int64(at))
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
