package filelog

import (
	"bytes"
	"encoding/binary"
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

// segment is one file of a log, open: it can be read to its end whatever becomes of its name.
type segment struct {
	file   *os.File
	name   string
	inode  uint64
	offset int64 // where in the log that the file holds fill reads on
	size   int64 // when unread looked last
	lost   bool  // files between this one and the one before it are gone
	said   bool  // that a line of it is broken

	packed  bool // with gzip
	unpack  *gzip.Reader
	kept    []byte // packed: read, but to be given by fill again
	damaged bool   // packed: no more can be read than was

	mark position.Hint // the place up to which it was read when reading paused

	// of single calls, kept because they would be allocated for each
	info   unix.Stat_t
	before [sumBytes]byte
}

// openSegment opens a file of a log.
func openSegment(name string, packed bool) (*segment, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	s := &segment{file: f, name: name, packed: packed}
	if _, err := s.length(); err != nil {
		s.close()
		return nil, err
	}
	s.inode = s.info.Ino
	return s, nil
}

// length returns how many bytes the file has at present.
func (s *segment) length() (int64, error) {
	if err := unix.Fstat(int(s.file.Fd()), &s.info); err != nil {
		return 0, &os.PathError{Op: "stat", Path: s.name, Err: err}
	}
	return s.info.Size, nil
}

// fill reads on into buf, as much as there is and fits. At the end of the file it returns 0
// and no error; there may be more later.
func (s *segment) fill(buf []byte) (n int, err error) {
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

func (s *segment) fillPacked(buf []byte) (n int, err error) {
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

// ended reports whether the last line of the file was read to its end.
func (s *segment) ended() bool { return len(s.kept) == 0 && (s.packed || s.size == s.offset) }

// keep says that the end of what fill has given was not taken: fill gives it again.
func (s *segment) keep(rest []byte) {
	s.offset -= int64(len(rest))
	if s.packed {
		s.kept = append(s.kept[:0], rest...)
	}
}

// unread returns how many bytes there are for fill at present, at most; it is negative if the
// file has become shorter than what was read of it.
func (s *segment) unread() (n int64, err error) {
	switch {
	case s.damaged:
		return 0, nil
	case s.packed:
		return tail.MaxChunk, nil
	}
	s.size, err = s.length()
	return s.size - s.offset, err
}

// sumBytes is how much of a file stands for its place: the last bytes of a record, its time
// to the nanosecond among them, which at one offset are hardly ever twice the same.
const sumBytes = 40

// hint describes the place at an offset; it is zero where there is nothing to know it by.
func (s *segment) hint(offset int64) (position.Hint, error) {
	if s.packed || offset < sumBytes {
		return position.Hint{}, nil
	}
	_, err := s.file.ReadAt(s.before[:], offset-sumBytes)
	if err == io.EOF {
		return position.Hint{}, nil // the file is shorter
	}
	if err != nil {
		return position.Hint{}, err
	}
	return position.Hint{Inode: s.inode, Offset: offset, Sum: crc32.ChecksumIEEE(s.before[:])}, nil
}

// hintAfter is hint for the place where the file was read to, after b, without another read.
// The lines in b may have been unescaped where they stand, but not what follows a line's log,
// and that is longer.
func (s *segment) hintAfter(b []byte) position.Hint {
	if s.packed || len(b) < sumBytes {
		h, _ := s.hint(s.offset) // without it there are the times of lines
		return h
	}
	return position.Hint{Inode: s.inode, Offset: s.offset, Sum: crc32.ChecksumIEEE(b[len(b)-sumBytes:])}
}

// holds reports whether the file has the place that h describes, whatever its inode.
func (s *segment) holds(h position.Hint) (bool, error) {
	here, err := s.hint(h.Offset)
	return here.Offset > 0 && here.Sum == h.Sum, err
}

// replaced reports whether the file no longer has what was read of it before reading paused.
func (s *segment) replaced() (bool, error) {
	if s.mark.Offset == 0 {
		return false, nil
	}
	holds, err := s.holds(s.mark)
	return !holds && err == nil, err
}

// last returns the time of the file's last line and where that ends; ok is false if it is not known.
func (s *segment) last() (at, end int64, ok bool) {
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

// has reports whether the file has a line of a time, as Docker writes it. It reads no further
// than to the first.
func (s *segment) has(at int64) (bool, error) {
	stamp := []byte(beforeTime + time.Unix(0, at).UTC().Format(time.RFC3339Nano) + `"`)
	in := io.Reader(io.NewSectionReader(s.file, 0, 1<<62))
	if s.packed {
		var err error
		if in, err = gzip.NewReader(in); err != nil {
			return false, nil // its lines cannot be read either
		}
	}
	buf, kept := make([]byte, tail.MaxChunk), 0
	for {
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

// packedEnd returns the time of a packed file's last line, which the Engine writes into its
// header.
func (s *segment) packedEnd() (int64, bool) {
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

// packs reports whether s is what the Engine has made of the file plain: a gzip file ends in
// the checksum and the size of what is in it.
func (s *segment) packs(plain *segment) bool {
	var trailer [8]byte
	packedSize, err := s.length()
	if err != nil || !s.packed || plain.packed || packedSize < int64(len(trailer)) {
		return false
	}
	if _, err := s.file.ReadAt(trailer[:], packedSize-int64(len(trailer))); err != nil {
		return false
	}
	size, err := plain.length()
	if err != nil || binary.LittleEndian.Uint32(trailer[4:]) != uint32(size) {
		return false
	}
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, io.NewSectionReader(plain.file, 0, size)); err != nil {
		return false
	}
	return binary.LittleEndian.Uint32(trailer[:4]) == sum.Sum32()
}

func (s *segment) close() { _ = s.file.Close() } // it was only read
