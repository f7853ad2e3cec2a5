package filelog

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"lighter/collector/position"
	"lighter/collector/tail"
)

// logFile is an open file of a log. It can be read to its end whatever happens to its name.
type logFile struct {
	file   *os.File
	name   string
	inode  uint64
	offset int64 // of the next fill, in the log that the file holds
	size   int64 // as last found by unread

	brokenLogged bool // a broken record of the file was logged

	packed  bool // compressed with gzip
	unpack  *gzip.Reader
	kept    []byte // of a packed file: bytes that fill must return again
	damaged bool   // the rest of the packed file cannot be read

	mark position.Bookmark // of the end of what had been read when reading paused

	// Memory for single calls, which would otherwise allocate it each time.
	info   unix.Stat_t
	before [sumBytes]byte
}

// openLogFile opens a file of a log.
func openLogFile(name string, packed bool) (*logFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	s := &logFile{file: f, name: name, packed: packed}
	if _, err := s.length(); err != nil {
		s.close()
		return nil, err
	}
	s.inode = s.info.Ino
	return s, nil
}

// length returns the present length of the file in bytes.
func (s *logFile) length() (int64, error) {
	if err := unix.Fstat(int(s.file.Fd()), &s.info); err != nil {
		return 0, &os.PathError{Op: "stat", Path: s.name, Err: err}
	}
	return s.info.Size, nil
}

// fill reads as much as there is and fits into buf. At the end of the file it returns 0 and no error; there
// may be more later.
func (s *logFile) fill(buf []byte) (n int, err error) {
	if s.packed {
		n, err = s.fillPacked(buf)
	} else {
		n, err = s.file.ReadAt(buf, s.offset)
	}
	s.offset += int64(n)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (s *logFile) fillPacked(buf []byte) (n int, err error) {
	if s.unpack == nil {
		if s.unpack, err = gzip.NewReader(io.NewSectionReader(s.file, 0, 1<<62)); err != nil {
			return 0, err
		}
	}
	n = copy(buf, s.kept)
	s.kept = s.kept[n:]
	for n < len(buf) && err == nil {
		var m int
		m, err = s.unpack.Read(buf[n:])
		n += m
	}
	return n, err
}

// ended reports whether the file was read to its end.
func (s *logFile) ended() bool { return len(s.kept) == 0 && (s.packed || s.size == s.offset) }

// giveBack returns the unused end of what fill has read: fill returns it again.
func (s *logFile) giveBack(rest []byte) {
	s.offset -= int64(len(rest))
	if s.packed {
		s.kept = append(s.kept[:0], rest...)
	}
}

// unread returns how many bytes fill can read at present, at most. It is negative if the file has become
// shorter than what was read.
func (s *logFile) unread() (n int64, err error) {
	switch {
	case s.damaged:
		return 0, nil
	case s.packed:
		return tail.MaxChunk, nil
	}
	s.size, err = s.length()
	return s.size - s.offset, err
}

// sumBytes is the number of bytes before an offset that a bookmark hashes. They are the end of a record
// including its time to the nanosecond, and so hardly ever the same in two files at the same offset.
const sumBytes = 40

// bookmark returns the bookmark of an offset. It is zero if there are too few bytes before the offset.
func (s *logFile) bookmark(offset int64) (position.Bookmark, error) {
	if s.packed || offset < sumBytes {
		return position.Bookmark{}, nil
	}
	_, err := s.file.ReadAt(s.before[:], offset-sumBytes)
	if err == io.EOF {
		return position.Bookmark{}, nil // the file is shorter than that
	}
	if err != nil {
		return position.Bookmark{}, err
	}
	return position.Bookmark{Inode: s.inode, Offset: offset, Sum: crc32.ChecksumIEEE(s.before[:])}, nil
}

// bookmarkAfter is bookmark for the offset up to which the file was read, without reading again. b was read
// last. The text of the records in b may have been unescaped in place, but not what follows a record's
// text, which is longer than sumBytes.
func (s *logFile) bookmarkAfter(b []byte) position.Bookmark {
	if s.packed || len(b) < sumBytes {
		b, _ := s.bookmark(s.offset) // without a bookmark, the times of the lines are used
		return b
	}
	return position.Bookmark{Inode: s.inode, Offset: s.offset, Sum: crc32.ChecksumIEEE(b[len(b)-sumBytes:])}
}

// holds reports whether the file matches a bookmark, whatever its inode.
func (s *logFile) holds(b position.Bookmark) (bool, error) {
	here, err := s.bookmark(b.Offset)
	return here.Offset > 0 && here.Sum == b.Sum, err
}

// replaced reports whether the file no longer contains what had been read before reading paused.
func (s *logFile) replaced() (bool, error) {
	if s.mark.Offset == 0 {
		return false, nil
	}
	holds, err := s.holds(s.mark)
	return !holds && err == nil, err
}

// last returns the time of the file's last record and the offset of its end. ok is false if they are
// unknown.
func (s *logFile) last() (at, end int64, ok bool) {
	if s.packed {
		at, ok := s.packedEnd()
		return at, 0, ok
	}
	size, err := s.length()
	if err != nil || size == 0 {
		return 0, 0, false
	}
	buf := make([]byte, min(size, tail.MaxChunk))
	if _, err := s.file.ReadAt(buf, size-int64(len(buf))); err != nil {
		return 0, 0, false
	}
	nl := bytes.LastIndexByte(buf, '\n')
	if nl < 0 {
		return 0, 0, false
	}
	line := buf[bytes.LastIndexByte(buf[:nl], '\n')+1 : nl]
	r, err := new(scanner).scan(line)
	return r.time, size - int64(len(buf)) + int64(nl) + 1, err == nil
}

// has reports whether the file has a record with the given time, in Docker's format. It reads up to the
// first such record, and fails when ctx ends.
func (s *logFile) has(ctx context.Context, at int64) (bool, error) {
	stamp := []byte(beforeTime + time.Unix(0, at).UTC().Format(time.RFC3339Nano) + `"`)
	in := io.Reader(io.NewSectionReader(s.file, 0, 1<<62))
	if s.packed {
		var err error
		if in, err = gzip.NewReader(in); err != nil {
			return false, nil // the file's lines cannot be read either
		}
	}
	buf, kept := make([]byte, tail.MaxChunk), 0
	for {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		n, err := in.Read(buf[kept:])
		n += kept
		if bytes.Contains(buf[:n], stamp) {
			return true, nil
		}
		if err == io.EOF || err != nil && s.packed {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(buf, buf[max(n-len(stamp)+1, 0):n])
	}
}

// packedEnd returns the time of a packed file's last record, which the Engine writes into the header of the
// file.
func (s *logFile) packedEnd() (int64, bool) {
	r, err := gzip.NewReader(io.NewSectionReader(s.file, 0, 1<<62))
	if err != nil {
		return 0, false
	}
	var extra struct {
		LastTime time.Time `json:"lastTime"`
	}
	if json.Unmarshal(r.Extra, &extra) != nil || extra.LastTime.IsZero() {
		return 0, false
	}
	return extra.LastTime.UnixNano(), true
}

// packs reports whether s is the Engine's compressed form of the file plain: both end at the same time.
func (s *logFile) packs(plain *logFile) bool {
	if !s.packed || plain.packed {
		return false
	}
	at, _, ok := plain.last()
	packedAt, known := s.packedEnd()
	return ok && known && at == packedAt
}

func (s *logFile) close() { _ = s.file.Close() } // it was opened for reading only
