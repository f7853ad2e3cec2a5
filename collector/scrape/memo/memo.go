// Package memo remembers the last good page of a scrape target: the series it showed, in order,
// their labels as they are encoded for each sink, and what staleness needs to know of each.
//
// The next page is compared with a Memo by a Comparison, line by line. A line that is where it was
// costs the comparison of its text; one that is elsewhere is looked for by its text; one that is
// new is looked for by its labels, because a target may write a series in another way. An index
// is made for a page that needs one, and lives as long as that.
//
// Neighbours on a page are alike, and what every series of a target has (job, instance, environment)
// is the same in all of them. So text and labels are kept as their difference from the line before:
// on pages whose neighbours are much alike that is about 31 bytes a series of 90 bytes of text, where
// keeping them whole takes 270 and is not seen to be faster. What stands between the series (HELP and
// TYPE lines, comments) is kept as its length and a hash.
//
// A Memo belongs to one goroutine at a time. A Comparison is scratch memory, which Memos use one
// after another; nothing in a Memo points into a page.
package memo

import (
	"hash/maphash"
	"slices"
	"unsafe"
)

// Memo is what is remembered of the last good page of one target.
type Memo struct {
	sinks      int
	round      uint32 // of scrapes, failed ones included
	form       Form   // of the page
	lines      lines
	exceptions []Exception // in the order of their lines
	common     State       // of all series but the exceptions
	tail       Gap         // what is behind the last series
	families   []uint64    // hashes, in order, of what the page said of each metric family
	moved      bool        // the lines are encoded for sinks that are others by now
}

// Form is how a page is read. Where it changes, a line of the same text may mean another series.
// Zero is the form of no page.
type Form uint8

// seed is that of all hashes. One a process is enough, and memos can be handed on.
var seed = maphash.MakeSeed()

// New returns the Memo of a target that was never scraped.
func New(sinks int) *Memo { return &Memo{sinks: sinks, common: State{Last: Never}} }

// Form returns the form of the page that is remembered.
func (m *Memo) Form() Form { return m.form }

// Distrust makes the next page be read anew, because what a line means has changed. Series go on
// if their encoded labels are still the same.
func (m *Memo) Distrust() { m.form = 0 }

// MoveTo makes the Memo one for other sinks: origin has for each the index of the sink that it was,
// and a negative number for a sink that is new. The next page is read anew. Its series are told by
// their text, and what it no longer shows is passed to stale with the labels of those sinks that
// have it.
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
	m.families = nil // which new sinks have not been told of
	m.Distrust()
}

// Miss is a round without a page. Everything that the last good page showed is passed to stale.
func (m *Memo) Miss(at int64, c *Comparison, stale func(encoded [][]byte, s *State)) {
	m.round++
	m.allStale(at, &c.old, stale)
}

// Texts passes the text of each series of the last good page that is kept to f, which must not keep it.
// c must have no page begun.
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

// each calls f for every line, which w has unpacked. e is the line's exception if own, and else has
// a copy of the state that all share; it is valid until f returns.
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

// setApart makes every series an exception. It is for a round whose time is not after the last:
// the clock went back, and what is new in the round is ahead of what is old.
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

// fit returns a copy of now in old's memory, unless that is too small, or so large that it
// is better given back.
func fit[T any](old, now []T) []T {
	if n := len(now); cap(old) < n || cap(old) > n+n/4+64 {
		old = make([]T, 0, n+n/32)
	}
	clear(old[min(len(now), len(old)):]) // of pointers that nobody needs
	return append(old[:0], now...)
}

// HashOf returns a hash of a piece of a page, as a Memo keeps it.
func HashOf(b []byte) uint64 { return maphash.Bytes(seed, b) }

// GapOf returns what identifies a piece of a page.
func GapOf(b []byte) Gap { return Gap{len(b), HashOf(b)} }

// Begins reports whether b begins with the piece of a page that g is.
func (g Gap) Begins(b []byte) bool { return len(b) >= g.Size && HashOf(b[:g.Size]) == g.Hash }

// HasFamily reports whether the last page said of a metric family what hash is of.
func (m *Memo) HasFamily(hash uint64) bool {
	_, found := slices.BinarySearch(m.families, hash)
	return found
}

// SetFamilies remembers hashes, in order, of what a page says of each of its metric families.
func (m *Memo) SetFamilies(hashes []uint64) { m.families = fit(m.families, hashes) }

// Size returns how many lines are remembered, and about how many bytes that takes.
func (m *Memo) Size() (lines, bytes int) {
	const exception = int(unsafe.Sizeof(Exception{}) + unsafe.Sizeof(State{}))
	return m.lines.n, cap(m.lines.packed) + 4*cap(m.lines.restarts) + exception*cap(m.exceptions) + 8*cap(m.families)
}
