package scrape

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// reading is the reading of one page. Its memory is used again by that of another.
type reading struct {
	cache  *cache
	out    *blocks
	body   []byte // of the page, not owned; one byte behind it is free
	format format
	at     int64 // the time of samples that have none of their own
	counts

	pos         int // what is before it is read
	n           int // lines read
	specials    []special
	before      []stateBefore // of those, for a page that turns out not to count
	gaps        []int         // where in body there is something else than series
	gapsChanged bool
	tail        []byte // what is behind the last series, in body
	keyed       bool   // series are told apart by the metric whose start time they share

	// The type of the series that follow: as line flags, and the TYPE line itself, which
	// stands behind familyAt and is not read yet, unless that is below zero.
	kind     lineFlags
	family   currentFamily
	familyAt int

	parser    textparse.Parser // nil, or at a line of its own
	parserAt  int              // where in body that is
	seesTypes bool             // it has read a TYPE line

	old         walker // over the remembered lines; those before are taken, or not on this page where they were
	peeked      bool   // old is at a line that is not taken
	trusted     bool   // a remembered text means what it meant
	nextSpecial int    // the first of the remembered specials that is not before old

	difference
	learning
}

// stateBefore is what a series was before this page.
type stateBefore struct {
	series *series
	state  series
}

// difference is what a page needs that is not the remembered one.
type difference struct {
	diverged bool
	taken    []uint32 // by remembered line: the line of this page that it is, and one more
	packed   lines    // of this page
	last     line     // the last of them
	shares   map[int]*series

	texts, labels index
	indexed       struct{ texts, labels bool }
	probe, recent walker // over the remembered lines, and those of this page
}

// learning is scratch memory for a line that is not known.
type learning struct {
	fresh          line
	pairs          []labels.Label        // of a series, or of an exemplar, in order; views of body and escaped
	escaped        []byte                // label values in which there was something escaped
	onPage, joined labels.ScratchBuilder // a series' labels, and those with the target's
	exemplars      []exemplar.Exemplar   // of the sample that is read
	ofExemplar     labels.ScratchBuilder // their labels, if read by hand
	starting       currentFamily
}

func (r *reading) reset(c *cache, p *page, at int64, out *blocks) {
	sinks := len(c.sinks)
	r.cache, r.out, r.body, r.at, r.format = c, out, p.body, at, c.said
	r.counts = counts{}
	r.pos, r.n, r.tail = 0, 0, nil
	r.specials, r.before, r.gaps, r.exemplars = r.specials[:0], r.before[:0], r.gaps[:0], r.exemplars[:0]
	r.trusted = c.format == r.format
	r.gapsChanged = !r.trusted
	r.keyed = c.keyed
	r.kind, r.familyAt = 0, -1
	r.family.reset()
	r.parser, r.parserAt, r.seesTypes = nil, 0, false
	r.old.reset(&c.lines, sinks)
	r.peeked, r.nextSpecial = false, 0
	r.diverged, r.shares, r.indexed.texts, r.indexed.labels = false, nil, false, false
	r.last.grow(sinks)
	r.fresh.grow(sinks)
	r.probe.reset(&c.lines, sinks)
	r.recent.reset(&r.packed, sinks)
}

// release lets go of what is not the reading's own.
func (r *reading) release() {
	clear(r.specials)
	clear(r.before)
	clear(r.exemplars[:cap(r.exemplars)])
	clear(r.pairs[:cap(r.pairs)])
	r.cache, r.out, r.body, r.tail, r.parser, r.shares = nil, nil, nil, nil, nil, nil
	r.old.lines, r.probe.lines = nil, nil
}

// undo gives the series of a page that does not count the states that they had before.
func (r *reading) undo() {
	for _, b := range slices.Backward(r.before) {
		*b.series = b.state
	}
}

// peek unpacks the next remembered line that is not taken; false: there is none.
func (r *reading) peek() bool {
	if !r.trusted {
		return false
	}
	for !r.peeked {
		if !r.old.next() {
			return false
		}
		r.peeked = !r.diverged || r.taken[r.old.n-1] == 0
	}
	return true
}

// specialOf returns what the line that old is at has for a state of its own; nil if none.
func (r *reading) specialOf() *special {
	all, line := r.cache.specials, r.old.n-1
	for r.nextSpecial < len(all) && all[r.nextSpecial].line < line {
		r.nextSpecial++
	}
	if r.nextSpecial < len(all) && all[r.nextSpecial].line == line {
		return &all[r.nextSpecial]
	}
	return nil
}

// specialAt is specialOf for any remembered line.
func (r *reading) specialAt(line int) (i int, found bool) { return findSpecial(r.cache.specials, line) }

func findSpecial(all []special, line int) (i int, found bool) {
	return slices.BinarySearchFunc(all, line, func(s special, line int) int { return cmp.Compare(s.line, line) })
}

// keepKnown takes the line that old is at.
func (r *reading) keepKnown() {
	if r.diverged {
		r.taken[r.old.n-1] = uint32(r.n) + 1
		r.packed.add(&r.last, &r.old.line)
	}
	r.n++
	r.peeked = false
	r.exemplars = r.exemplars[:0]
}

// jumpAhead goes on with the remembered line that the page has next, if it is not taken.
func (r *reading) jumpAhead() bool {
	return r.canJump() && r.jump(textAt(r.body[r.pos:]))
}

func (r *reading) canJump() bool { return r.trusted && r.cache.lines.n > 0 }

// expected returns about how many lines the page has.
func (r *reading) expected() int {
	if r.format == protobufFormat {
		return 0
	}
	return bytes.Count(r.body, []byte("\n"))
}

// jump goes on with the remembered line of that text, if there is one that is not taken.
func (r *reading) jump(text []byte) bool {
	c := r.cache
	if text == nil || !r.canJump() {
		return false
	}
	if !r.indexed.texts {
		r.indexed.texts = true
		r.texts.reset(c.lines.n)
		r.probe.reset(&c.lines, len(c.sinks))
		for r.probe.next() {
			r.texts.add(maphash.Bytes(c.seed, r.probe.text), r.probe.n-1)
		}
	}
	i, ok := r.texts.find(maphash.Bytes(c.seed, text))
	if !ok || r.isTaken(i) || r.peeked && r.old.n-1 == i {
		return false // the last is for a line that old is at and that is the parser's to read
	}
	if r.probe.seek(i); string(r.probe.text) != string(text) || !r.fits(r.probe.flags) {
		return false
	}
	r.diverge()
	r.old.seek(i)
	r.peeked = true
	r.nextSpecial, _ = r.specialAt(i)
	r.gapsChanged = r.gapsChanged || r.old.flags&hasGap != 0
	return true
}

func (r *reading) isTaken(i int) bool {
	if r.diverged {
		return r.taken[i] != 0
	}
	return i < r.n
}

// diverge begins to pack the lines of this page, those included that were read before.
func (r *reading) diverge() {
	if r.diverged {
		return
	}
	r.diverged = true
	from := &r.cache.lines
	r.taken = slices.Grow(r.taken[:0], from.n)[:from.n]
	clear(r.taken)
	for i := range r.n {
		r.taken[i] = uint32(i) + 1
	}
	r.packed.reset()
	r.last.clear()
	if from.n == 0 {
		r.packed.packed = slices.Grow(r.packed.packed, len(r.body)/2) // which a page that is not odd does not fill
	}
	if r.n == 0 {
		return
	}
	r.probe.seek(r.n - 1)
	r.last.set(&r.probe.line)
	r.packed.packed = append(r.packed.packed, from.packed[:r.probe.at]...)
	r.packed.restarts = append(r.packed.restarts, from.restarts[:(r.n-1)/restartEvery+1]...)
	r.packed.n = r.n
}

// resolve finds the series that fresh is: one that the last page showed, or this one, or
// none. It returns its state if it has one of its own.
func (r *reading) resolve() (s special, isNew bool) {
	c, key := r.cache, r.fresh.key(r.cache.seed)
	if !r.indexed.labels {
		r.indexed.labels = true
		r.labels.reset(max(c.lines.n, r.expected()))
		r.probe.reset(&c.lines, len(c.sinks))
		for r.probe.next() {
			if r.probe.flags&kept != 0 {
				r.labels.add(r.probe.key(c.seed), r.probe.n-1)
			}
		}
	}
	i, ok := r.labels.find(key)
	if !ok {
		r.labels.add(key, c.lines.n+r.n)
		return special{}, true
	}
	if i >= c.lines.n {
		if r.recent.seek(i - c.lines.n); !r.recent.same(&r.fresh) {
			return special{}, true // two label sets share a hash, and the second does without the index
		}
		return special{series: r.share(i - c.lines.n)}, false
	}
	if r.probe.seek(i); !r.probe.same(&r.fresh) {
		return special{}, true
	}
	if k := r.taken[i]; k != 0 {
		return special{series: r.share(int(k) - 1)}, false
	}
	r.taken[i] = uint32(r.n) + 1
	r.peeked = r.peeked && r.old.n-1 != i
	if at, found := r.specialAt(i); found {
		return c.specials[at], false
	}
	return special{}, false
}

// share returns the state of the series of a line of this page, which is shown once more.
func (r *reading) share(line int) *series {
	s := r.shares[line]
	if s == nil {
		if i, found := findSpecial(r.specials, line); found {
			s = r.specials[i].series
		} else {
			s = &series{last: r.at, live: true, seen: r.cache.round}
			if r.shares == nil {
				r.shares = map[int]*series{}
			}
			r.shares[line] = s
		}
		r.before = append(r.before, stateBefore{s, *s})
		s.shared = true
	}
	return s
}

// markVanished ends a good page: what the last one showed and this one does not gets a
// staleness marker.
func (r *reading) markVanished() {
	for line, s := range r.shares {
		r.specials = append(r.specials, special{line: line, series: s})
	}
	if len(r.shares) > 0 {
		slices.SortFunc(r.specials, func(a, b special) int { return cmp.Compare(a.line, b.line) })
	}
	c := r.cache
	if !r.diverged {
		if r.n == c.lines.n {
			return
		}
		r.diverge()
	}
	w, next := &r.old, 0
	w.reset(&c.lines, len(c.sinks))
	for i := 0; w.next(); i++ {
		if r.taken[i] != 0 {
			continue
		}
		r.gapsChanged = r.gapsChanged || w.flags&hasGap != 0
		if w.flags&kept == 0 {
			continue
		}
		for next < len(c.specials) && c.specials[next].line < i {
			next++
		}
		ordinary := series{last: c.last, live: c.live}
		s := &ordinary
		if next < len(c.specials) && c.specials[next].line == i {
			s = c.specials[next].series
		}
		if s.seen != c.round {
			s.mark(w.encoded, r.at, r.out)
		}
	}
}
