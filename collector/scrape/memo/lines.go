package memo

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// Line is a series as a page shows it.
type Line struct {
	Flags
	Gap     Gap      // what precedes it, if HasGap
	Text    []byte   // the name and the labels, as the page writes them
	Encoded [][]byte // if Kept: the labels after metric relabelling, for each sink; empty where the sink drops the series
	Hash    uint64   // hash of those labels, needed if Encoded is empty for a sink
}

// Flags describe a Line.
type Flags uint8

// The values of Flags.
const (
	Kept     Flags = 1 << iota // metric relabelling keeps the series
	HasGap                     // something precedes the series: comments, HELP and TYPE lines, blanks
	SetsType                   // the gap contains a TYPE line
	hashed                     // Encoded is empty for a sink, so that only Hash identifies the series
)

// The metric types that change how a line is read.
const (
	Other Flags = iota << 4
	Counter
	Histogram
	Summary
	TypeMask = Summary
)

// Type returns the type of the line's metric.
func (f Flags) Type() Flags { return f & TypeMask }

// Fits reports whether a line with the same text means the same series where kind is the current type on
// the page. A line with a TYPE line before it brings its own type.
func (f Flags) Fits(kind Flags) bool { return f&SetsType != 0 || f.Type() == kind }

// Gap identifies the text between two series of a page.
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

// set copies other into l's memory.
func (l *Line) set(other *Line) {
	l.Flags, l.Gap, l.Hash = other.Flags, other.Gap, other.Hash
	l.Text = append(l.Text[:0], other.Text...)
	for i, e := range other.Encoded {
		l.Encoded[i] = append(l.Encoded[i][:0], e...)
	}
}

// clear resets l to the line that a restart is packed against.
func (l *Line) clear() {
	l.Text = l.Text[:0]
	for i := range l.Encoded {
		l.Encoded[i] = l.Encoded[i][:0]
	}
}

// textKey returns a hash of a line's text and of what precedes it, to look the line up.
func (l *Line) textKey() uint64 {
	key := HashOf(l.Text)
	if l.Flags&HasGap != 0 {
		key = key*31 + l.Gap.Hash
	}
	return key
}

// key returns a hash of a line's series, to look the line up.
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

// same reports whether two lines show the same series.
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

// isHashed reports whether the encoded labels do not identify the series by themselves.
func isHashed(encoded [][]byte) bool {
	for _, e := range encoded {
		if len(e) == 0 {
			return true
		}
	}
	return len(encoded) == 0
}

// lines are the lines of a page, in order and packed: text and encoded labels are kept as their difference
// from the line before. Every restartEvery-th line is complete, so that any line can be found.
type lines struct {
	packed   []byte
	restarts []uint32 // where in packed those complete lines begin
	n        int
}

// restartEvery is the distance of complete lines. A larger number takes less memory and more time to find a
// line: half that many lines must be unpacked on average.
const restartEvery = 32

// add packs l behind the last line. before is a copy of the last line, and becomes one of l.
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

// addPacked adds a line that is already packed as its difference from the last line.
func (ls *lines) addPacked(b []byte) {
	ls.n++
	ls.packed = append(ls.packed, b...)
}

func (ls *lines) reset() { ls.packed, ls.restarts, ls.n = ls.packed[:0], ls.restarts[:0], 0 }

// walker unpacks lines one after another.
type walker struct {
	Line         // the line that next unpacked
	lines *lines // not owned
	from  int    // where that line begins in packed
	at    int    // where the next line begins
	n     int    // number of lines unpacked by next
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

// packed returns the packed form of the line that next unpacked.
func (w *walker) packed() []byte { return w.lines.packed[w.from:w.at] }

// seek unpacks line i, which must exist.
func (w *walker) seek(i int) {
	if i < w.n || i/restartEvery > w.n/restartEvery {
		w.n = i / restartEvery * restartEvery
		w.at = int(w.lines.restarts[i/restartEvery])
	}
	for w.n <= i {
		w.next()
	}
}
