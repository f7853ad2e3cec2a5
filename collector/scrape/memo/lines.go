package memo

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// Line is a series as a page shows it.
type Line struct {
	Flags
	Gap     Gap      // what stands before it; if there is something
	Text    []byte   // the name and the labels, as the page writes them
	Encoded [][]byte // for each sink, the labels after metric relabelling, empty where the sink drops the series; if Kept
	Hash    uint64   // of those labels; needed where Encoded is empty for a sink
}

// Flags say what a Line is.
type Flags uint8

// The values of Flags.
const (
	Kept     Flags = 1 << iota // metric relabelling keeps the series
	HasGap                     // something stands before the series: comments, HELP and TYPE lines, blanks
	SetsType                   // a TYPE line is in the gap
	hashed                     // Encoded is empty for a sink, so that only Hash tells the series
)

// The types of metrics that change how a line is read.
const (
	Other Flags = iota << 4
	Counter
	Histogram
	Summary
	TypeMask = Summary
)

// Type returns the type of the line's metric.
func (f Flags) Type() Flags { return f & TypeMask }

// Fits reports whether a line of the same text means the same series where the type that holds on the
// page is kind. A line that has a TYPE line before it brings its own.
func (f Flags) Fits(kind Flags) bool { return f&SetsType != 0 || f.Type() == kind }

// Gap identifies a piece of a page.
type Gap struct {
	Size int
	Hash uint64
}

func (l *Line) grow(sinks int) {
	for len(l.Encoded) < sinks {
		l.Encoded = append(l.Encoded, nil)
	}
	l.Encoded = l.Encoded[:sinks]
}

// set makes l a copy of other, in l's memory.
func (l *Line) set(other *Line) {
	l.Flags, l.Gap, l.Hash = other.Flags, other.Gap, other.Hash
	l.Text = append(l.Text[:0], other.Text...)
	for i, e := range other.Encoded {
		l.Encoded[i] = append(l.Encoded[i][:0], e...)
	}
}

// clear makes l what a restart builds on.
func (l *Line) clear() {
	l.Text = l.Text[:0]
	for i := range l.Encoded {
		l.Encoded[i] = l.Encoded[i][:0]
	}
}

// textKey returns a hash by which a line is found by its text and what stands before it.
func (l *Line) textKey() uint64 {
	key := HashOf(l.Text)
	if l.Flags&HasGap != 0 {
		key = key*31 + l.Gap.Hash
	}
	return key
}

// key returns a hash by which a line's series is found.
func (l *Line) key(seed maphash.Seed) uint64 {
	if l.Flags&hashed != 0 {
		return l.Hash
	}
	key := uint64(0)
	for _, e := range l.Encoded {
		key = key*31 + maphash.Bytes(seed, e)
	}
	return key
}

// same reports whether two lines are of one series.
func (l *Line) same(other *Line) bool {
	const which = Kept | hashed
	if l.Flags&Kept == 0 || l.Flags&which != other.Flags&which || l.Flags&hashed != 0 && l.Hash != other.Hash {
		return false
	}
	for i, e := range other.Encoded {
		if !bytes.Equal(l.Encoded[i], e) {
			return false
		}
	}
	return true
}

// isHashed reports whether what the sinks get does not tell one series from all others.
func isHashed(encoded [][]byte) bool {
	for _, e := range encoded {
		if len(e) == 0 {
			return true
		}
	}
	return len(encoded) == 0
}

// lines are the lines of a page in their order, packed: of the text and the encoded labels of a
// line only the difference from the line before is kept. Every restartEvery-th line is whole, so
// that any can be found.
type lines struct {
	packed   []byte
	restarts []uint32 // where in packed those lines begin
	n        int
}

// restartEvery is how often a line is kept whole. A larger number takes less memory, and more time to
// find a line: half as many have to be unpacked.
const restartEvery = 32

// add packs a line behind the last, which before is, and makes that the new one.
func (ls *lines) add(before, l *Line) {
	if ls.n%restartEvery == 0 {
		ls.restarts = append(ls.restarts, uint32(len(ls.packed)))
		before.clear()
	}
	ls.n++
	b := append(ls.packed, byte(l.Flags))
	if l.Flags&HasGap != 0 {
		b = binary.AppendUvarint(b, uint64(l.Gap.Size))
		b = binary.LittleEndian.AppendUint64(b, l.Gap.Hash)
	}
	b = appendDelta(b, before.Text, l.Text)
	before.Text = append(before.Text[:0], l.Text...)
	if l.Flags&Kept != 0 {
		if l.Flags&hashed != 0 {
			b = binary.LittleEndian.AppendUint64(b, l.Hash)
		}
		for i, e := range l.Encoded {
			b = appendDelta(b, before.Encoded[i], e)
			before.Encoded[i] = append(before.Encoded[i][:0], e...)
		}
	}
	ls.packed = b
}

// addPacked adds a line that is packed already as its difference from the last.
func (ls *lines) addPacked(b []byte) {
	ls.n++
	ls.packed = append(ls.packed, b...)
}

func (ls *lines) reset() { ls.packed, ls.restarts, ls.n = ls.packed[:0], ls.restarts[:0], 0 }

// walker unpacks lines one after another.
type walker struct {
	Line         // the one that next unpacked
	lines *lines // not owned
	from  int    // where that one begins in packed
	at    int    // where the next does
	n     int    // how many lines next has passed
}

func (w *walker) reset(ls *lines, sinks int) {
	w.lines, w.at, w.n = ls, 0, 0
	w.grow(sinks)
	w.clear()
}

// next unpacks one more line and reports whether there was one.
func (w *walker) next() bool {
	if w.n == w.lines.n {
		return false
	}
	w.n++
	b, at := w.lines.packed, w.at
	w.from = at
	if (w.n-1)%restartEvery == 0 {
		w.clear()
	}
	w.Flags = Flags(b[at])
	at++
	if w.Flags&HasGap != 0 {
		w.Gap.Size, at = length(b, at)
		w.Gap.Hash = binary.LittleEndian.Uint64(b[at:])
		at += 8
	}
	w.Text, at = patch(w.Text, b, at)
	if w.Flags&Kept != 0 {
		if w.Flags&hashed != 0 {
			w.Hash = binary.LittleEndian.Uint64(b[at:])
			at += 8
		}
		for i := range w.Encoded {
			w.Encoded[i], at = patch(w.Encoded[i], b, at)
		}
	}
	w.at = at
	return true
}

// packed returns the line that next unpacked as it is packed.
func (w *walker) packed() []byte { return w.lines.packed[w.from:w.at] }

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
