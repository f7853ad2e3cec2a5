package journalfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
)

// Entry is an entry without its fields.
type Entry struct {
	Seqnum    uint64 // counted by the file's source
	Realtime  uint64 // microseconds of the Unix clock
	Monotonic uint64 // microseconds of the clock of the boot
	Boot      ID
	Hash      uint64 // of all fields, the same in every file

	at, size uint64
}

// Entry reads the entry of a number, from 0 to Len()-1, into e.
func (f *File) Entry(i uint64, e *Entry) error {
	if i >= f.entries {
		return damaged("there is no entry %d", i)
	}
	n := len(f.arrays) - 1
	for f.arrays[n].first > i {
		n--
	}
	a := &f.arrays[n]
	slot := f.scratch[:8]
	clear(slot)
	if err := f.windows.read(f, a.at+(i-a.first)*f.slot(), slot[:f.slot()]); err != nil {
		return fmt.Errorf("read where entry %d is: %w", i, err)
	}
	at := binary.LittleEndian.Uint64(slot)
	size, err := f.object(at, typeEntry, entryHead)
	if err != nil {
		return err
	}
	head := f.scratch[:entryHead]
	if err := f.windows.read(f, at, head); err != nil {
		return fmt.Errorf("read the entry at %d: %w", at, err)
	}
	*e = Entry{
		Seqnum:    binary.LittleEndian.Uint64(head[16:]),
		Realtime:  binary.LittleEndian.Uint64(head[24:]),
		Monotonic: binary.LittleEndian.Uint64(head[32:]),
		Boot:      ID(head[40:56]),
		Hash:      binary.LittleEndian.Uint64(head[56:]),
		at:        at,
		size:      size,
	}
	return nil
}

// Search returns the number of the first entry for which after is true, Len() if there is none. after must be
// false for all entries before that one and true for all that follow. Entries that cannot be read are skipped.
func (f *File) Search(after func(*Entry) bool) uint64 {
	low, high := uint64(0), f.entries
	var e Entry
	for low < high {
		middle := low + (high-low)/2
		i := middle
		for i < high && i < middle+maxProbe && f.Entry(i, &e) != nil {
			i++
		}
		if i == high || i == middle+maxProbe { // all of them are unreadable
			if middle > low {
				high = middle
				continue
			}
			low = i
			continue
		}
		if after(&e) {
			high = middle
		} else {
			low = i + 1
		}
	}
	return low
}

// maxProbe limits how many unreadable entries Search skips at a time.
const maxProbe = 1024

// Fields appends the offsets of an entry's fields to offsets, in their order.
func (f *File) Fields(e *Entry, offsets []uint64) ([]uint64, error) {
	width := uint64(16) // an offset and a hash
	if f.compact {
		width = 4
	}
	n := (e.size - entryHead) / width
	if n > maxItems {
		return offsets, damaged("the entry at %d has %d fields", e.at, n)
	}
	f.slots = append(f.slots[:0], make([]byte, n*width)...)
	if err := f.windows.read(f, e.at+entryHead, f.slots); err != nil {
		return offsets, fmt.Errorf("read the fields of the entry at %d: %w", e.at, err)
	}
	for b := f.slots; len(b) > 0; b = b[width:] {
		at := uint64(binary.LittleEndian.Uint32(b))
		if !f.compact {
			at = binary.LittleEndian.Uint64(b)
		}
		offsets = append(offsets, at)
	}
	return offsets, nil
}

// maxName is the longest name that a field has, and the equals sign.
const maxName = 64 + 1

// Field reads the field at an offset that Fields gave, and appends NAME=value to b. If want returns false for
// the name, which is valid during the call, nothing is appended. No more than limit bytes of the value are
// read; cut reports whether it has more.
func (f *File) Field(at uint64, b []byte, limit int, want func(name []byte) bool) (field []byte, cut bool, err error) {
	head := uint64(dataHead)
	if f.compact {
		head = dataHeadCompact
	}
	size, flags, err := f.flagged(at, typeData, head+1)
	if err != nil {
		return b, false, err
	}
	text, err := f.text(at+head, size-head, flags)
	if err != nil {
		return b, false, fmt.Errorf("read the field at %d: %w", at, err)
	}
	from := len(b)
	b, whole, err := text.next(b, maxName)
	if err != nil {
		return b[:from], false, fmt.Errorf("read the field at %d: %w", at, err)
	}
	name := bytes.IndexByte(b[from:], '=')
	if name <= 0 {
		return b[:from], false, damaged("the field at %d has no name", at)
	}
	if !want(b[from : from+name]) {
		return b[:from], false, nil
	}
	end := from + name + 1 + limit
	if missing := end + 1 - len(b); !whole && missing > 0 { // and one byte more, to see whether it is cut
		if b, _, err = text.next(b, missing); err != nil {
			return b[:from], false, fmt.Errorf("read the field at %d: %w", at, err)
		}
	}
	if len(b) > end {
		return b[:end], true, nil
	}
	return b, false, nil
}

// Compare returns the order of two entries as journalctl has it: by their sequence numbers if one source counts
// both, by the monotonic clock within a boot, and else by the time. a is an entry of f, and b is one of g.
func Compare(f *File, a *Entry, g *File, b *Entry) int {
	if f.source == g.source {
		if c := cmp.Compare(a.Seqnum, b.Seqnum); c != 0 {
			return c
		}
	}
	if a.Boot == b.Boot {
		if c := cmp.Compare(a.Monotonic, b.Monotonic); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.Realtime, b.Realtime), cmp.Compare(a.Hash, b.Hash))
}
