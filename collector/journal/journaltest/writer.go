// Package journaltest writes files of systemd's journal, for tests.
//
// They are small and have no hash tables, so that only programs that read all of a file can use them. What
// journald writes is beside the tests of package journalfile.
package journaltest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"lighter/collector/journal/journalfile"
)

// Options are of what form a file is.
type Options struct {
	Compact  bool
	Compress string // "", "lz4", "zstd" or "xz": of fields of at least 64 bytes. With "xz" they only say that they are
	File     journalfile.ID
	Source   journalfile.ID
}

// Entry is an entry to write.
type Entry struct {
	Seqnum, Realtime, Monotonic uint64
	Boot                        journalfile.ID
	Fields                      []string // NAME=value
}

// Writer writes a file as journald does: first an entry with all that belongs to it, then the place in the list
// of entries, and then their number.
type Writer struct {
	f       *os.File
	o       Options
	end     uint64
	fields  map[string]uint64
	entries uint64
	array   uint64 // offset of the last entry array, 0 if there is none
	size    uint64 // of it, in entries
	used    uint64
	objects uint64
	last    uint64 // offset of the last object
}

const headerBytes = 272

// Offsets in the header.
const (
	atState     = 16
	atArena     = 96
	atTail      = 136
	atObjects   = 144
	atEntries   = 152
	atTailSeq   = 160
	atHeadSeq   = 168
	atArray     = 176
	atHeadTime  = 184
	atTailTime  = 192
	atMonotonic = 200
)

// Create begins a file.
func Create(path string, o Options) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	h := make([]byte, headerBytes)
	copy(h, "LPKSHHRH")
	flags := uint32(0)
	if o.Compact {
		flags |= 16
	}
	switch o.Compress {
	case "lz4":
		flags |= 2
	case "zstd":
		flags |= 8
	case "xz":
		flags |= 1
	}
	binary.LittleEndian.PutUint32(h[12:], flags)
	h[atState] = 1
	copy(h[24:], o.File[:])
	copy(h[72:], o.Source[:])
	binary.LittleEndian.PutUint64(h[88:], headerBytes)
	w := &Writer{f: f, o: o, end: headerBytes, fields: map[string]uint64{}}
	return w, w.write(0, h)
}

func (w *Writer) write(at uint64, b []byte) error {
	_, err := w.f.WriteAt(b, int64(at))
	return err
}

func (w *Writer) number(at, n uint64) error {
	return w.write(at, binary.LittleEndian.AppendUint64(nil, n))
}

// object appends an object and returns its offset.
func (w *Writer) object(kind, flags byte, payload []byte) (uint64, error) {
	b := make([]byte, 16, 16+len(payload)+8)
	b[0], b[1] = kind, flags
	b = append(b, payload...)
	binary.LittleEndian.PutUint64(b[8:], uint64(len(b)))
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	at := w.end
	w.end += uint64(len(b))
	w.objects++
	w.last = at
	if err := w.number(atArena, w.end-headerBytes); err != nil {
		return 0, err
	}
	return at, w.write(at, b)
}

func (w *Writer) slot(n uint64) []byte {
	if w.o.Compact {
		return binary.LittleEndian.AppendUint32(nil, uint32(n))
	}
	return binary.LittleEndian.AppendUint64(nil, n)
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// field returns the offset of a field, which it writes if the file does not have it.
func (w *Writer) field(s string) (uint64, error) {
	if at, ok := w.fields[s]; ok {
		return at, nil
	}
	head := 48
	if w.o.Compact {
		head += 8
	}
	b := make([]byte, head)
	binary.LittleEndian.PutUint64(b, hash(s))
	flags := byte(0)
	switch {
	case len(s) < 64 || w.o.Compress == "":
		b = append(b, s...)
	case w.o.Compress == "zstd":
		flags = 4
		z, err := zstd.NewWriter(nil)
		if err != nil {
			return 0, err
		}
		b = z.EncodeAll([]byte(s), b)
	case w.o.Compress == "lz4":
		flags = 2
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
		b = PackLZ4(b, s)
	case w.o.Compress == "xz":
		flags = 1
		b = append(b, s...)
	default:
		return 0, fmt.Errorf("no compression %q", w.o.Compress)
	}
	at, err := w.object(1, flags, b)
	w.fields[s] = at
	return at, err
}

// PackLZ4 appends s as an LZ4 block, in which runs of one byte are short.
func PackLZ4(b []byte, s string) []byte {
	for {
		run := 0
		var at int
		for at = 0; at < len(s); at++ {
			rest := s[at:]
			run = len(rest) - len(strings.TrimLeft(rest, rest[:1]))
			if run >= 16 && at+run+12 < len(s) {
				break
			}
			run = 0
		}
		literals := at
		if run > 0 {
			literals++
			run--
		}
		token := byte(min(literals, 15)) << 4
		if run > 0 {
			token |= byte(min(run-4, 15))
		}
		b = append(b, token)
		b = lz4Length(b, literals)
		b = append(b, s[:literals]...)
		if run == 0 {
			return b
		}
		b = append(b, 1, 0)
		b = lz4Length(b, run-4)
		s = s[literals+run:]
	}
}

func lz4Length(b []byte, n int) []byte {
	if n < 15 {
		return b
	}
	for n -= 15; n >= 255; n -= 255 {
		b = append(b, 255)
	}
	return append(b, byte(n))
}

// Append writes an entry.
func (w *Writer) Append(e Entry) error {
	b := binary.LittleEndian.AppendUint64(nil, e.Seqnum)
	b = binary.LittleEndian.AppendUint64(b, e.Realtime)
	b = binary.LittleEndian.AppendUint64(b, e.Monotonic)
	b = append(b, e.Boot[:]...)
	sum := uint64(0)
	for _, s := range e.Fields {
		sum ^= hash(s)
	}
	b = binary.LittleEndian.AppendUint64(b, sum)
	for _, s := range e.Fields {
		at, err := w.field(s)
		if err != nil {
			return err
		}
		if w.o.Compact {
			b = append(b, w.slot(at)...)
			continue
		}
		b = binary.LittleEndian.AppendUint64(b, at)
		b = binary.LittleEndian.AppendUint64(b, hash(s))
	}
	at, err := w.object(3, 0, b)
	if err != nil {
		return err
	}
	if err := w.link(at); err != nil {
		return err
	}
	w.entries++
	if err := w.number(atEntries, w.entries); err != nil {
		return err
	}
	return w.count(e)
}

// link puts an entry into the list of entries.
func (w *Writer) link(at uint64) error {
	if w.used == w.size {
		size := max(2*w.size, 4)
		next, err := w.object(6, 0, append(make([]byte, 8), slices.Repeat(w.slot(0), int(size))...))
		if err != nil {
			return err
		}
		from := uint64(atArray)
		if w.array != 0 {
			from = w.array + 16
		}
		if err := w.number(from, next); err != nil {
			return err
		}
		w.array, w.size, w.used = next, size, 0
	}
	one := w.slot(at)
	err := w.write(w.array+24+w.used*uint64(len(one)), one)
	w.used++
	return err
}

// count writes what the header says of the last entry.
func (w *Writer) count(e Entry) error {
	for at, n := range map[uint64]uint64{atTail: w.last, atObjects: w.objects, atTailSeq: e.Seqnum, atTailTime: e.Realtime, atMonotonic: e.Monotonic} {
		if err := w.number(at, n); err != nil {
			return err
		}
	}
	if w.entries > 1 {
		return w.write(56, e.Boot[:])
	}
	if err := w.number(atHeadSeq, e.Seqnum); err != nil {
		return err
	}
	return w.number(atHeadTime, e.Realtime)
}

// Archive says that nothing is written to the file any more, and closes it.
func (w *Writer) Archive() error {
	if err := w.write(atState, []byte{2}); err != nil {
		return err
	}
	return w.Close()
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }
