package file

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"golang.org/x/sys/unix"

	"lighter/collector/position"
)

// errNotRegular means that what is at a path is no file that can be read to its end.
var errNotRegular = errors.New("it is not a regular file")

// look is what is at a path.
type look struct {
	exists        bool
	device, inode uint64
	size          int64
	mtime         unix.Timespec
}

// same reports whether two looks are at the same file, whatever has become of it.
func (l look) same(o look) bool {
	return l.exists && o.exists && l.device == o.device && l.inode == o.inode
}

// lookAt looks at a path. What is not there is no error.
func lookAt(path string) (look, error) {
	var st unix.Stat_t
	switch err := unix.Stat(path, &st); {
	case err == unix.ENOENT || err == unix.ENOTDIR:
		return look{}, nil
	case err != nil:
		return look{}, &os.PathError{Op: "stat", Path: path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return look{}, &os.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	return lookOf(&st), nil
}

func lookOf(st *unix.Stat_t) look {
	return look{exists: true, device: st.Dev, inode: st.Ino, size: st.Size, mtime: st.Mtim}
}

// source is an open file. Offsets are those of what it holds when it is unpacked.
type source struct {
	file   *os.File
	name   string
	packed string // "gz", "bz2" or "z"; empty for a plain file
	look          // as it was when it was opened; refresh makes it new
	offset int64  // where fill reads on
	links  uint64 // number of names that the file has

	unpack *bufio.Reader
	kept   []byte // of a packed file: what was read and has to be given by fill again
	ended  bool   // a packed file is read to its end

	nulls int64 // from somewhere before it, the file has zeros up to this offset
}

// openSource opens a file. It returns nil and no error if there is none.
func openSource(name, packed string) (*source, error) {
	if l, err := lookAt(name); err != nil || !l.exists { // opening a pipe would block
		return nil, err
	}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &source{file: f, name: name, packed: packed}
	if err := s.refresh(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// refresh looks at the file again.
func (s *source) refresh() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.file.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: s.name, Err: err}
	}
	s.look, s.links = lookOf(&st), uint64(st.Nlink) //nolint:unconvert // it has 32 bits on arm64
	return nil
}

// bom returns the first bytes of the file, four at most, by which its encoding is known.
func (s *source) bom() ([]byte, error) {
	if s.packed == "" {
		b := make([]byte, 4)
		n, err := s.file.ReadAt(b, 0)
		if err == io.EOF {
			err = nil
		}
		return b[:n], err
	}
	r, err := s.begin()
	if err != nil {
		return nil, err
	}
	b, err := r.Peek(4)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b, err
}

// begin returns what unpacks the file from its beginning.
func (s *source) begin() (*bufio.Reader, error) {
	in := io.NewSectionReader(s.file, 0, 1<<62)
	switch s.packed {
	case "gz":
		r, err := gzip.NewReader(in)
		if err != nil {
			return nil, s.broken(err)
		}
		return bufio.NewReader(r), nil
	case "z":
		r, err := zlib.NewReader(in)
		if err != nil {
			return nil, s.broken(err)
		}
		return bufio.NewReader(r), nil
	case "bz2":
		return bufio.NewReader(bzip2.NewReader(in)), nil
	}
	return nil, fmt.Errorf("unpack %s: %q is no known format, these are gz, bz2 and z", s.name, s.packed)
}

// broken says of an error what could not be read. A file that ends too early may be one that is
// still being written.
func (s *source) broken(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("unpack %s as %s: %w", s.name, s.packed, err)
}

// seek has fill read on at an offset.
func (s *source) seek(offset int64) error {
	if s.packed == "" {
		s.offset = offset
		return nil
	}
	r, err := s.begin()
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		return s.broken(err)
	}
	s.unpack, s.kept, s.ended, s.offset = r, nil, false, offset
	return nil
}

// fill reads on into buf, as much as there is and fits. At the end of the file it returns 0 and no error.
func (s *source) fill(buf []byte) (n int, err error) {
	if s.packed == "" {
		n, err = s.file.ReadAt(buf, s.offset)
		if err == io.EOF {
			err = nil
		}
	} else {
		n = copy(buf, s.kept)
		s.kept = s.kept[n:]
		for n < len(buf) && !s.ended && err == nil {
			var m int
			m, err = s.unpack.Read(buf[n:])
			n += m
			if err == io.EOF {
				s.ended, err = true, nil
			}
		}
		if err != nil {
			err = s.broken(err)
		}
	}
	s.offset += int64(n)
	return n, err
}

// giveBack takes the end of what fill has given, which was not used: fill gives it again.
func (s *source) giveBack(rest []byte) {
	s.offset -= int64(len(rest))
	if s.packed != "" {
		s.kept = append(append(make([]byte, 0, len(rest)+len(s.kept)), rest...), s.kept...)
	}
}

const (
	headBytes  = 1 << 10 // of a file's first bytes, how many are summed up
	sumBytes   = 64      // likewise of the bytes before a position
	knownBytes = 64      // a file of which fewer were read is known by its inode alone
)

// head returns the sum of the first n bytes of the file as it is on disk; ok is false if it has fewer.
func (s *source) head(n int64) (sum uint32, ok bool, err error) {
	b := make([]byte, n)
	switch _, err = s.file.ReadAt(b, 0); err {
	case nil:
		return crc32.ChecksumIEEE(b), true, nil
	case io.EOF:
		return 0, false, nil
	}
	return 0, false, err
}

// sum returns the sum of the bytes before an offset of a plain file; ok is false if the file is shorter.
func (s *source) sum(offset int64) (sum uint32, ok bool, err error) {
	var buf [sumBytes]byte
	b := buf[:min(offset, sumBytes)]
	switch _, err = s.file.ReadAt(b, offset-int64(len(b))); err {
	case nil:
		return crc32.ChecksumIEEE(b), true, nil
	case io.EOF:
		return 0, false, nil
	}
	return 0, false, err
}

// mark returns the bookmark of an offset that has come right after read.
func (s *source) mark(offset int64, read []byte) position.Bookmark {
	b := position.Bookmark{Inode: s.inode, Offset: offset}
	if s.packed != "" {
		return b
	}
	if n := int(min(offset, sumBytes)); len(read) >= n {
		b.Sum = crc32.ChecksumIEEE(read[len(read)-n:])
		return b
	}
	sum, ok, err := s.sum(offset)
	if err != nil || !ok {
		return position.Bookmark{}
	}
	b.Sum = sum
	return b
}

// afterNulls returns the offset of the first byte that is not zero, at or after an offset of a plain file at
// which there are zeros. It returns -1 if there is none up to the end: somebody may have reserved the
// room, and write there later.
func (s *source) afterNulls(offset int64) (int64, error) {
	buf := make([]byte, 64<<10)
	at := max(offset, s.nulls)
	for {
		if data, err := unix.Seek(int(s.file.Fd()), at, unix.SEEK_DATA); err == unix.ENXIO {
			return -1, nil
		} else if err == nil {
			at = max(at, data)
		}
		n, err := s.file.ReadAt(buf, at)
		for i, c := range buf[:n] {
			if c != 0 {
				return at + int64(i), nil
			}
		}
		at += int64(n)
		s.nulls = at
		if err == io.EOF || n == 0 {
			return -1, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

func (s *source) close() { _ = s.file.Close() } // it was only read
