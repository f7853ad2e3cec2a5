// Package memo remembers the last valid page of a scrape target: its series in order, their labels as
// encoded for each sink, and the staleness state of each.
//
// A Comparison compares the next page with a Memo line by line. A line in its old position costs one
// comparison of its text. A line elsewhere is looked up by its text, and a new line by its labels, because
// a target may write the labels of a series differently. An index exists only for the page that needs it.
//
// Neighbours on a page are alike, and the labels that every series of a target has (job, instance,
// environment) are the same in all of them. Text and labels are therefore kept as their difference from the
// line before: where neighbours are much alike, a series with 90 bytes of text takes about 31 bytes, where
// keeping it whole takes 270 and is not measurably faster. The text between the series (HELP and TYPE
// lines, comments) is kept as its length and a hash.
//
// A Memo belongs to one goroutine at a time. A Comparison is scratch memory that several Memos can use in
// turn. Nothing in a Memo points into a page.
package memo

import (
	"hash/maphash"
	"slices"
	"unsafe"
)

// Memo is what is remembered of the last valid page of one target.
type Memo struct {
	sinks      int
	round      uint32 // counts scrapes, failed ones included
	form       Form   // of the remembered page
	lines      lines
	exceptions []Exception // ordered by line
	common     State       // the state of all series without an exception
	tail       Gap         // the text behind the last series
	families   []uint64    // hashes of the metadata of each metric family, in order
	moved      bool        // the sinks have changed since the lines were encoded
}

// Form is how a page is read. When it changes, a line with the same text may mean another series. Zero is
// no page's form.
type Form uint8

// seed is used for all hashes. All memos of a process share it, so that they can be handed over.
var seed = maphash.MakeSeed()

// New returns the Memo of a target that has not been scraped.
func New(sinks int) *Memo { return &Memo{sinks: sinks, common: State{Last: Never}} }

// Form returns the form of the remembered page.
func (m *Memo) Form() Form { return m.form }

// Distrust makes the Memo read the next page afresh, because the meaning of a line has changed. Series
// whose encoded labels are still the same continue.
func (m *Memo) Distrust() { m.form = 0 }

// MoveTo adapts the Memo to other sinks. For each new sink, origin has the index of the old one that it
// was, or a negative number if it has none. The next page is read afresh: its series are identified by
// their text, and those that it no longer shows are passed to stale with the labels for the sinks that have
// them.
func (m *Memo) MoveTo(origin []int) {
	var moved lines
	var w walker
	var before, l Line
	w.reset(&m.lines, m.sinks)
	before.grow(len(origin))
	l.grow(len(origin))
	for w.next() {
		l.Flags, l.Gap, l.Text, l.Hash = w.Flags, w.Gap, w.Text, w.Hash
		for i, from := range origin {
			l.Encoded[i] = nil
			if from >= 0 {
				l.Encoded[i] = w.Encoded[from]
			}
		}
		moved.add(&before, &l)
	}
	m.lines, m.sinks, m.moved = moved, len(origin), true
	m.families = nil // new sinks have not received the metadata
	m.Distrust()
}

// Miss records a round without a page. It passes every series of the last valid page to stale.
func (m *Memo) Miss(at int64, c *Comparison, stale func(encoded [][]byte, s *State)) {
	m.round++
	m.allStale(at, &c.old, stale)
}

// Texts calls f with the text of each series of the last valid page that metric relabelling kept. f must
// not keep the text. c must have no page begun.
func (m *Memo) Texts(c *Comparison, f func(text []byte)) {
	for c.old.reset(&m.lines, m.sinks); c.old.next(); {
		if c.old.Flags&Kept != 0 {
			f(c.old.Text)
		}
	}
}

func (m *Memo) allStale(at int64, w *walker, stale func(encoded [][]byte, s *State)) {
	m.each(w, func(e *Exception, _ bool) {
		if w.Flags&Kept != 0 {
			stale(w.Encoded, e.State)
		}
	})
	if m.common.Live {
		m.common.Live, m.common.Last = false, max(m.common.Last, at)
	}
}

// each calls f for every line that w unpacks. If own is true, e is the line's exception; otherwise e has a
// copy of the common state. e is valid until f returns.
func (m *Memo) each(w *walker, f func(e *Exception, own bool)) {
	var common State
	ordinary := Exception{State: &common}
	next := 0
	w.reset(&m.lines, m.sinks)
	for i := 0; w.next(); i++ {
		if next < len(m.exceptions) && m.exceptions[next].line == i {
			f(&m.exceptions[next], true)
			next++
			continue
		}
		common, ordinary.line = m.common, i
		f(&ordinary, false)
	}
}

// setApart makes every series an exception. It is for a round whose time is not after that of the last one:
// the clock went back, and the series do not all have the same last time any more.
func (m *Memo) setApart(w *walker) {
	var all []Exception
	m.each(w, func(e *Exception, own bool) {
		if w.Flags&Kept == 0 {
			return
		}
		one := *e
		if !own {
			one.State = new(*e.State)
		}
		all = append(all, one)
	})
	m.exceptions = all
}

// fit returns a copy of now in old's memory, unless that is too small, or so large that it should be freed.
func fit[T any](old, now []T) []T {
	if n := len(now); cap(old) < n || cap(old) > n+n/4+64 {
		old = make([]T, 0, n+n/32)
	}
	clear(old[min(len(now), len(old)):]) // drop pointers that are no longer needed
	return append(old[:0], now...)
}

// HashOf returns the hash that a Memo keeps for a piece of a page.
func HashOf(b []byte) uint64 { return maphash.Bytes(seed, b) }

// GapOf returns the Gap that identifies a piece of a page.
func GapOf(b []byte) Gap { return Gap{len(b), HashOf(b)} }

// Begins reports whether b begins with the text that g identifies.
func (g Gap) Begins(b []byte) bool { return len(b) >= g.Size && HashOf(b[:g.Size]) == g.Hash }

// HasFamily reports whether hash is that of a metric family's metadata on the last page.
func (m *Memo) HasFamily(hash uint64) bool {
	_, found := slices.BinarySearch(m.families, hash)
	return found
}

// SetFamilies remembers the ordered hashes of the metadata of a page's metric families.
func (m *Memo) SetFamilies(hashes []uint64) { m.families = fit(m.families, hashes) }

// Size returns the number of remembered lines and about how many bytes they take.
func (m *Memo) Size() (lines, bytes int) {
	const exception = int(unsafe.Sizeof(Exception{}) + unsafe.Sizeof(State{}))
	return m.lines.n, cap(m.lines.packed) + 4*cap(m.lines.restarts) + exception*cap(m.exceptions) + 8*cap(m.families)
}
