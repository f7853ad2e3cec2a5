package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const suffix = ".segment"

// segment is one file and the index of its waiting records. The Queue's mutex guards it.
type segment struct {
	number uint64
	path   string
	file   *os.File // nil while it is not needed
	size   int64    // of the intact part of the file; the next record goes there
	base   int64    // Unix milliseconds; ages are relative to it
	index  []entry  // in the order of the file; nil after removal with all records acknowledged
	live   int      // number of entries that are not settled
	oldest int      // all entries before it are settled
	gone   bool     // the file is deleted
}

// entry is a record in the index, 24 bytes.
type entry struct {
	offset uint32 // of the header
	length uint32 // of the body
	items  uint32
	age    uint32 // milliseconds after the segment's base
	sum    uint32 // CRC-32C of the body
	lane   uint16
	state  entryState
}

type entryState uint8

const (
	waiting entryState = iota
	taken
	damaged // taken, but its body cannot be read
	settled // acknowledged or dropped
)

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, suffix))
}

// segmentNumber parses a file name. It returns false if the name is not a segment's.
func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 63) // 63, so that there is always a next one
	return n, err == nil && digits == fmt.Sprintf("%016x", n)
}

// open returns the file, and opens it if necessary.
func (s *segment) open() (*os.File, error) {
	if s.file != nil {
		return s.file, nil
	}
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s.file = f
	return f, nil
}

// close closes the file if it is open. open opens it again.
func (s *segment) close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}

// delete removes the file. It is no error if it does not exist.
func (s *segment) delete() error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = s.close()
	s.gone = true
	return nil
}

// add appends a record to the index.
func (s *segment) add(h header, offset int64, lane int) {
	if len(s.index) == 0 {
		s.base = h.time
	}
	s.index = append(s.index, entry{
		offset: uint32(offset),
		length: h.length,
		items:  h.items,
		age:    uint32(min(max(h.time-s.base, 0), math.MaxUint32)), // the clock may be set back
		sum:    h.sum,
		lane:   uint16(lane),
	})
	s.live++
}

// oldestTime returns when the oldest unsettled record was appended, in Unix milliseconds. There must be
// one.
func (s *segment) oldestTime() int64 {
	for s.index[s.oldest].state == settled {
		s.oldest++
	}
	return s.base + int64(s.index[s.oldest].age)
}
