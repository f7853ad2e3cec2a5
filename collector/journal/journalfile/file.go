package journalfile

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
)

var (
	// ErrNotJournal means that a file does not begin as a file of the journal does. A file that journald is
	// about to create looks like that for a moment.
	ErrNotJournal = errors.New("it does not begin as a journal file")
	// ErrFormat means that a file uses a feature of the format that is not known here.
	ErrFormat = errors.New("it has a format that a newer systemd writes and that is not known")
	// ErrDamaged means that something in a file is not as the format demands.
	ErrDamaged = errors.New("the file is damaged")
	// ErrXZ means that a field is compressed with XZ.
	ErrXZ = errors.New("the field is compressed with XZ, which is not supported")
)

// damaged returns an ErrDamaged that says what is wrong.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// ID is a 128-bit identifier of systemd.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID returns the ID that 32 hexadecimal digits are.
func ParseID(s string) (id ID, err error) {
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("an id of %d characters and not 32", len(s))
	}
	_, err = hex.Decode(id[:], []byte(s))
	return id, err
}

// Sizes and offsets of the format.
const (
	minHeader  = 208 // of the first version of the format
	objectHead = 16
	arrayHead  = 24
	entryHead  = 64
	dataHead   = 64
	// dataHeadCompact is dataHead of the compact form.
	dataHeadCompact = 72
)

// Types of objects.
const (
	typeData  = 1
	typeEntry = 3
	typeArray = 6
)

// Incompatible flags of the header.
const (
	flagXZ = 1 << iota
	flagLZ4
	flagKeyedHash
	flagZstd
	flagCompact
	knownFlags = flagXZ | flagLZ4 | flagKeyedHash | flagZstd | flagCompact
)

const stateArchived = 2

const (
	// maxArrays bounds how many entry arrays a file has. Each is twice as long as the one before it, so that
	// a real file has fewer than 64.
	maxArrays = 1024
	// maxItems bounds how many fields an entry has; journald allows about a thousand.
	maxItems = 4096
)

// File is a file of the journal. Its methods belong to one goroutine.
type File struct {
	r       io.ReaderAt
	windows *Windows
	serial  uint64
	round   uint64 // changes when the windows may be out of date

	id, source ID
	compact    bool
	archived   bool
	begin, end uint64 // of the objects
	claimed    uint64 // how many entries the header says that there are
	first      uint64 // offset of the first entry array
	arrays     []array
	entries    uint64 // in arrays, no more than claimed
	short      error  // why arrays hold fewer entries than claimed
	scratch    [dataHeadCompact]byte
	slots      []byte
}

// array is an entry array: a list of offsets of entries.
type array struct {
	at    uint64 // of its first offset
	size  uint64 // how many offsets it has room for
	first uint64 // how many entries are in the arrays before it
	self  uint64 // its own offset
}

// New returns the File that r holds, with the entries that it has now. windows may be shared with other files
// of the same goroutine.
func New(r io.ReaderAt, windows *Windows) (*File, error) {
	windows.files++
	f := &File{r: r, windows: windows, serial: windows.files}
	if _, err := f.Refresh(); err != nil {
		return nil, err
	}
	return f, nil
}

// ID returns the file's own id. It stays when the file is renamed.
func (f *File) ID() ID { return f.id }

// Source returns the id of the sequence that numbers the file's entries. In all files of one source each sequence
// number occurs once.
func (f *File) Source() ID { return f.source }

// Archived reports whether nothing is written to the file any more.
func (f *File) Archived() bool { return f.archived }

// Len returns how many entries the file had at the last Refresh. Some of them may turn out to be unreadable.
func (f *File) Len() uint64 { return f.entries }

// Short returns why the file has fewer entries than its header says, nil if it has as many.
func (f *File) Short() error { return f.short }

// Refresh finds the entries that were written since the last Refresh, and reports whether there are any.
func (f *File) Refresh() (changed bool, err error) {
	var h [minHeader]byte
	if err := readFull(f.r, h[:], 0); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return false, fmt.Errorf("%w: it is too short", ErrNotJournal)
		}
		return false, fmt.Errorf("read header: %w", err)
	}
	if !bytes.Equal(h[:8], []byte("LPKSHHRH")) {
		return false, ErrNotJournal
	}
	flags := binary.LittleEndian.Uint32(h[12:])
	if unknown := flags &^ knownFlags; unknown != 0 {
		return false, fmt.Errorf("%w (flags %#x)", ErrFormat, unknown)
	}
	headerSize, arena := binary.LittleEndian.Uint64(h[88:]), binary.LittleEndian.Uint64(h[96:])
	if headerSize < minHeader || headerSize > 1<<20 || headerSize%8 != 0 || arena > math.MaxInt64-headerSize {
		return false, damaged("a header of %d bytes before %d bytes", headerSize, arena)
	}
	id, compact := ID(h[24:40]), flags&flagCompact != 0
	if f.round > 0 && (id != f.id || compact != f.compact) {
		return false, damaged("its header has become another file's")
	}
	f.id, f.source, f.compact = id, ID(h[72:88]), compact
	f.archived = h[16] == stateArchived
	f.begin, f.end = headerSize, headerSize+arena
	claimed, first := binary.LittleEndian.Uint64(h[152:]), binary.LittleEndian.Uint64(h[176:])
	if f.round > 0 && claimed == f.claimed {
		return false, nil
	}
	if claimed < f.claimed || first != f.first {
		f.arrays, f.entries = f.arrays[:0], 0
	}
	f.claimed, f.first = claimed, first
	f.round++
	before := f.entries
	f.short = f.follow()
	return f.entries != before, nil
}

// follow reads the chain of entry arrays as far as it is not known yet.
func (f *File) follow() error {
	f.entries = 0
	var next uint64
	if n := len(f.arrays); n > 0 {
		last := &f.arrays[n-1]
		if f.claimed <= last.first+last.size {
			f.entries = f.claimed
			return nil
		}
		var link [8]byte
		if err := f.windows.read(f, last.self+objectHead, link[:]); err != nil {
			f.entries = last.first + last.size
			return fmt.Errorf("read the list of entries: %w", err)
		}
		next, f.entries = binary.LittleEndian.Uint64(link[:]), last.first+last.size
	} else {
		next = f.first
	}
	for f.entries < f.claimed {
		if next == 0 {
			return damaged("%d entries are listed and not %d", f.entries, f.claimed)
		}
		if n := len(f.arrays); n > 0 && next <= f.arrays[n-1].self || n == maxArrays {
			return damaged("the lists of entries do not end")
		}
		size, err := f.object(next, typeArray, arrayHead)
		if err != nil {
			return err
		}
		var link [8]byte
		if err := f.windows.read(f, next+objectHead, link[:]); err != nil {
			return fmt.Errorf("read the list of entries at %d: %w", next, err)
		}
		if err := f.windows.read(f, next+size-1, f.scratch[:1]); err != nil { // else it may claim any number of them
			return fmt.Errorf("read the end of the list of entries at %d: %w", next, err)
		}
		a := array{at: next + arrayHead, size: (size - arrayHead) / f.slot(), first: f.entries, self: next}
		f.arrays = append(f.arrays, a)
		f.entries = min(a.first+a.size, f.claimed)
		next = binary.LittleEndian.Uint64(link[:])
	}
	return nil
}

// slot is the size of an offset in an entry array, and of the offset of a field in an entry.
func (f *File) slot() uint64 {
	if f.compact {
		return 4
	}
	return 8
}

// object returns the size of the object at an offset, which must have the given type and at least the given size.
func (f *File) object(at uint64, kind byte, least uint64) (size uint64, err error) {
	size, _, err = f.flagged(at, kind, least)
	return size, err
}

// flagged is like object and also returns the object's flags.
func (f *File) flagged(at uint64, kind byte, least uint64) (size uint64, flags byte, err error) {
	if at < f.begin || at%8 != 0 || at > f.end-min(f.end, objectHead) {
		return 0, 0, damaged("an object at %d", at)
	}
	head := f.scratch[:objectHead]
	if err := f.windows.read(f, at, head); err != nil {
		return 0, 0, fmt.Errorf("read the object at %d: %w", at, err)
	}
	size = binary.LittleEndian.Uint64(head[8:])
	if head[0] != kind || size < least || size > f.end-at {
		return 0, 0, damaged("the object at %d has type %d and %d bytes", at, head[0], size)
	}
	return size, head[1], nil
}
