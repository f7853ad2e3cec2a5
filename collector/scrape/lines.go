package scrape

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// lines are what is remembered of a page: its series in their order, packed. Most of a
// line is what the one before it had, in its text and in its encoded labels, and only the
// difference is kept. Every restartEvery-th line is whole, so that any can be found.
type lines struct {
	packed   []byte
	restarts []uint32 // where in packed those lines begin
	n        int
}

// restartEvery: a whole line costs its length once in so many, and to find one costs the
// unpacking of half as many.
const restartEvery = 32

// line is one of lines, unpacked.
type line struct {
	flags   lineFlags
	text    []byte   // from the end of the line before to the end of the labels, what stands between included
	encoded [][]byte // the labels that it has after metric relabelling for each sink, empty where it drops them; if kept
	hash    uint64   // of those labels, which encoded does not tell; if hashed
}

type lineFlags uint8

const (
	kept     lineFlags = 1 << iota // else metric relabelling drops it
	hasGap                         // there is something before the series: comments, TYPE and HELP lines, blank ones
	setsType                       // and in it a TYPE line
	hashed                         // encoded is empty for a sink

	// The type that the line's series has, as far as it changes how labels are read.
	inHistogram
	inSummary
	typeMask = inHistogram | inSummary
)

// set makes l a copy of other, in l's memory.
func (l *line) set(other *line) {
	l.flags, l.hash = other.flags, other.hash
	l.text = append(l.text[:0], other.text...)
	for i, e := range other.encoded {
		l.encoded[i] = append(l.encoded[i][:0], e...)
	}
}

// clear makes l what a restart builds on.
func (l *line) clear() {
	l.text = l.text[:0]
	for i := range l.encoded {
		l.encoded[i] = l.encoded[i][:0]
	}
}

func (l *line) grow(sinks int) {
	for len(l.encoded) < sinks {
		l.encoded = append(l.encoded, nil)
	}
	l.encoded = l.encoded[:sinks]
}

// add packs a line behind the last, which before is, and makes that the new one.
func (ls *lines) add(before, l *line) {
	if ls.n%restartEvery == 0 {
		ls.restarts = append(ls.restarts, uint32(len(ls.packed)))
		before.clear()
	}
	ls.n++
	b := append(ls.packed, byte(l.flags))
	b = appendDelta(b, before.text, l.text)
	before.text = append(before.text[:0], l.text...)
	if l.flags&kept != 0 {
		if l.flags&hashed != 0 {
			b = binary.LittleEndian.AppendUint64(b, l.hash)
		}
		for i, e := range l.encoded {
			b = appendDelta(b, before.encoded[i], e)
			before.encoded[i] = append(before.encoded[i][:0], e...)
		}
	}
	ls.packed = b
}

func (ls *lines) reset() { ls.packed, ls.restarts, ls.n = ls.packed[:0], ls.restarts[:0], 0 }

// walker unpacks lines one after another.
type walker struct {
	line         // the one that next unpacked
	lines *lines // not owned
	at    int    // in packed
	n     int    // how many lines next has passed
}

func (w *walker) reset(ls *lines, sinks int) {
	w.lines, w.at, w.n = ls, 0, 0
	w.grow(sinks)
	w.clear()
}

// next unpacks one more line; false: there is none.
func (w *walker) next() bool {
	if w.n == w.lines.n {
		return false
	}
	w.n++
	b, at := w.lines.packed, w.at
	if (w.n-1)%restartEvery == 0 {
		w.clear()
	}
	w.flags = lineFlags(b[at])
	w.text, at = patch(w.text, b, at+1)
	if w.flags&kept != 0 {
		if w.flags&hashed != 0 {
			w.hash = binary.LittleEndian.Uint64(b[at:])
			at += 8
		}
		for i := range w.encoded {
			w.encoded[i], at = patch(w.encoded[i], b, at)
		}
	}
	w.at = at
	return true
}

// seek unpacks line i, which must be there.
func (w *walker) seek(i int) {
	if i < w.n || i/restartEvery > w.n/restartEvery {
		w.n = i / restartEvery * restartEvery
		w.at = int(w.lines.restarts[i/restartEvery])
	}
	for w.n <= i {
		w.next()
	}
}

// isHashed says whether what the sinks get does not tell one series from all others.
func isHashed(encoded [][]byte) bool {
	for _, e := range encoded {
		if len(e) == 0 {
			return true
		}
	}
	return len(encoded) == 0
}

// key returns a hash by which a line's series is found.
func (l *line) key(seed maphash.Seed) uint64 {
	if l.flags&hashed != 0 {
		return l.hash
	}
	key := uint64(0)
	for _, e := range l.encoded {
		key = key*31 + maphash.Bytes(seed, e)
	}
	return key
}

// same says whether two lines are of one series.
func (l *line) same(other *line) bool {
	const which = kept | hashed
	if l.flags&kept == 0 || l.flags&which != other.flags&which || l.flags&hashed != 0 && l.hash != other.hash {
		return false
	}
	for i, e := range other.encoded {
		if !bytes.Equal(l.encoded[i], e) {
			return false
		}
	}
	return true
}
