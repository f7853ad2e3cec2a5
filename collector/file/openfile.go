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

// errNotRegular means that there is something else than a regular file at a path, such as a pipe or a directory.
var errNotRegular = errors.New("it is not a regular file")

// look is what a path was found to be.
type look struct {
	exists        bool
	device, inode uint64
	size          int64
	mtime         unix.Timespec
}

// same reports whether two looks found the same file, even if its size or time differs.
func (l look) same(o look) bool {
	return l.exists && o.exists && l.device == o.device && l.inode == o.inode
}

// lookAt looks at a path. It is no error if nothing is there.
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

// openFile is an open file. Offsets are those of its content after decompression.
type openFile struct {
	file   *os.File
	name   string
	packed string // "gz", "bz2" or "z"; empty for a plain file
	look          // the state when the file was opened, or at the last refresh
	offset int64  // where fill continues
	links  uint64 // number of names that the file has

	unpack *bufio.Reader
	kept   []byte // of a packed file: content that was given back and that fill returns again
	ended  bool   // a packed file has been read to its end

	nulls int64 // the file is known to have only zeros before this offset, since an earlier call of afterNulls
}

// openPath opens a file. It returns nil and no error if there is none.
func openPath(name, packed string) (*openFile, error) {
	if l, err := lookAt(name); err != nil || !l.exists { // because opening a pipe would block
		return nil, err
	}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &openFile{file: f, name: name, packed: packed}
	if err := s.refresh(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// refresh examines the file again.
func (s *openFile) refresh() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.file.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: s.name, Err: err}
	}
	s.look, s.links = lookOf(&st), uint64(st.Nlink) //nolint:unconvert // Nlink has 32 bits on arm64
	return nil
}

// bom returns up to four of the file's first bytes, which may be a byte order mark.
func (s *openFile) bom() ([]byte, error) {
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

// begin returns a reader of the file's content from its beginning.
func (s *openFile) begin() (*bufio.Reader, error) {
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
	return nil, fmt.Errorf("decompress %s: there is no format %q; the formats are gz, bz2 and z", s.name, s.packed)
}

// broken adds to an error which file could not be decompressed. A file that ends too early may still be
// being written.
func (s *openFile) broken(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("decompress %s as %s: %w", s.name, s.packed, err)
}

// seek makes fill continue at an offset.
func (s *openFile) seek(offset int64) error {
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

// fill reads into buf as much as there is and fits. At the end of the file it returns 0 and no error.
func (s *openFile) fill(buf []byte) (n int, err error) {
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

// giveBack takes back the unused end of what fill has returned. The next fill returns it again.
func (s *openFile) giveBack(rest []byte) {
	s.offset -= int64(len(rest))
	if s.packed != "" {
		s.kept = append(append(make([]byte, 0, len(rest)+len(s.kept)), rest...), s.kept...)
	}
}

const (
	headBytes  = 1 << 10 // the length of the beginning of a file that is summed
	sumBytes   = 64      // the length of what is summed before a position
	knownBytes = 64      // a file of which less was read is recognized by its inode alone
)

// head returns the checksum of the first n bytes of the file on disk. ok is false if the file is shorter.
func (s *openFile) head(n int64) (sum uint32, ok bool, err error) {
	b := make([]byte, n)
	switch _, err = s.file.ReadAt(b, 0); err {
	case nil:
		return crc32.ChecksumIEEE(b), true, nil
	case io.EOF:
		return 0, false, nil
	}
	return 0, false, err
}

// sum returns the checksum of the bytes before an offset of a plain file. ok is false if the file is shorter.
func (s *openFile) sum(offset int64) (sum uint32, ok bool, err error) {
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

// mark returns the bookmark of an offset. read is the content right before the offset.
func (s *openFile) mark(offset int64, read []byte) position.Bookmark {
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

// afterNulls returns the offset of the first byte that is not zero, at or after an offset of a plain file that has
// zeros there. It returns -1 if there are only zeros: a program may have reserved the space to write there later.
func (s *openFile) afterNulls(offset int64) (int64, error) {
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

func (s *openFile) close() { _ = s.file.Close() } // the file was only read
