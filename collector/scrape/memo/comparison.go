package memo

import (
	"bytes"
	"cmp"
	"slices"
	"unsafe"
)

// Comparison compares one page with a Memo. Its memory can be reused for another page.
//
// Call Begin, read the page from its beginning to its end with Next, Jump, Take and Learn, and call Commit
// or Abort at the end.
type Comparison struct {
	memo *Memo
	form Form
	at   int64  // the time of samples without a timestamp
	body []byte // of the page, not owned; nil if the page has no lines
	n    int    // number of lines read from the page

	// old walks the remembered lines. Lines before it are taken, or have moved or gone.
	old           walker
	peeked        bool // old is at a line that is not taken yet
	trusted       bool // the page has the form of the last one, so that a text means the same
	nextException int  // the Memo's first exception that is not before old

	exceptions  []Exception   // of this page
	before      []stateBefore // states that Change was given, to restore if the page does not count
	gapsChanged bool          // something between the series has changed

	// The page differs from the remembered one and is itself packed, to be remembered. The fields below are
	// used only then.
	diverged bool
	matched  []uint32       // by remembered line: 1 + the matching line of this page, or 0 if not seen yet
	packed   lines          // lines of this page
	last     Line           // the last of packed
	follows  int            // the remembered line that is packed as its difference from exactly last; -1 if none
	shares   map[int]*State // states of series that this page shows twice, by the first line
	texts    index          // of the remembered lines, by text
	labels   index          // of the remembered lines, and behind them the lines of this page, by labels
	indexed  struct{ texts, labels bool }
	probe    walker // over the remembered lines
	recent   walker // over the lines of this page

	fresh Line // returned by Fresh
}

// stateBefore is the state of a series before this page.
type stateBefore struct {
	state *State
	was   State
}

// Begin begins a round with a page of the given form. It estimates the number of series from body, which is
// nil for a page that has no lines.
func (c *Comparison) Begin(m *Memo, form Form, body []byte, at int64) {
	m.round++
	if at <= m.common.Last {
		m.setApart(&c.old)
	}
	c.memo, c.form, c.body, c.at, c.n = m, form, body, at, 0
	c.old.reset(&m.lines, m.sinks)
	c.peeked, c.nextException = false, 0
	c.trusted = m.form == form
	c.exceptions, c.before = c.exceptions[:0], c.before[:0]
	c.gapsChanged = !c.trusted
	c.diverged, c.shares, c.indexed.texts, c.indexed.labels = false, nil, false, false
	c.probe.reset(&m.lines, m.sinks)
	c.recent.reset(&c.packed, m.sinks)
	c.last.grow(m.sinks)
	c.fresh.grow(m.sinks)
}

// Release drops the references to what the comparison does not own.
func (c *Comparison) Release() {
	clear(c.exceptions)
	clear(c.before)
	c.memo, c.body, c.shares = nil, nil, nil
	c.old.lines, c.probe.lines = nil, nil
}

// Next returns the next remembered line that the page has not shown yet, or nil. It returns the same line
// until Take.
func (c *Comparison) Next() *Line {
	if !c.trusted {
		return nil
	}
	for !c.peeked {
		if !c.old.next() {
			return nil
		}
		c.peeked = !c.diverged || c.matched[c.old.n-1] == 0
	}
	return &c.old.Line
}

// Exception returns the exception of the line that Next returned, or nil if it has none.
func (c *Comparison) Exception() *Exception {
	all, line := c.memo.exceptions, c.old.n-1
	for c.nextException < len(all) && all[c.nextException].line < line {
		c.nextException++
	}
	if c.nextException < len(all) && all[c.nextException].line == line {
		return &all[c.nextException]
	}
	return nil
}

// Take makes the line that Next returned the next line of the page.
func (c *Comparison) Take() {
	if c.diverged {
		i := c.old.n - 1
		c.matched[i] = uint32(c.n) + 1
		if c.follows == i && i%restartEvery != 0 && c.n%restartEvery != 0 {
			c.packed.addPacked(c.old.packed())
			c.last.set(&c.old.Line)
		} else {
			c.packed.add(&c.last, &c.old.Line)
		}
		c.follows = -1
		if c.old.Flags&Kept != 0 { // otherwise the next line's labels differ from those of an earlier line
			c.follows = i + 1
		}
	}
	c.n++
	c.peeked = false
}

// Jump searches for an untaken remembered line with this text, this gap before it and this type, and makes
// it the one that Next returns. It reports whether it found one.
func (c *Comparison) Jump(text, gap []byte, kind Flags) bool {
	m := c.memo
	if !c.trusted || m.lines.n == 0 || text == nil {
		return false
	}
	if !c.indexed.texts {
		c.indexed.texts = true
		c.texts.reset(m.lines.n)
		c.probe.reset(&m.lines, m.sinks)
		for c.probe.next() {
			c.texts.add(c.probe.textKey(), c.probe.n-1)
		}
	}
	l := Line{Text: text}
	if len(gap) > 0 {
		l.Flags, l.Gap = HasGap, GapOf(gap)
	}
	i, ok := c.texts.find(l.textKey())
	if !ok || c.isTaken(i) || c.peeked && c.old.n-1 == i {
		return false // in the last case old is already at the line, which the parser must read
	}
	c.probe.seek(i)
	if !bytes.Equal(c.probe.Text, text) || c.probe.Flags&HasGap != l.Flags || l.Flags != 0 && c.probe.Gap != l.Gap || !c.probe.Fits(kind) {
		return false
	}
	c.diverge()
	c.old.seek(i)
	c.peeked = true
	c.nextException, _ = findException(m.exceptions, i)
	c.gapsChanged = c.gapsChanged || l.Flags != 0
	return true
}

func (c *Comparison) isTaken(i int) bool {
	if c.diverged {
		return c.matched[i] != 0
	}
	return i < c.n
}

// AtTail reports whether rest is the same as the text behind the last page's last series.
func (c *Comparison) AtTail(rest []byte) bool {
	return c.trusted && len(rest) == c.memo.tail.Size && c.memo.tail.Begins(rest)
}

// Fresh returns a line for the caller to fill before Learn.
func (c *Comparison) Fresh() *Line { return &c.fresh }

// Learn looks up the series of Fresh, which metric relabelling keeps, and returns its exception, from the
// last page or from an earlier line of this page. The exception has no State if the series is new or in the
// common state. The caller must call Add next.
func (c *Comparison) Learn() (e Exception, isNew bool) {
	c.diverge()
	if isHashed(c.fresh.Encoded) {
		c.fresh.Flags |= hashed
	}
	return c.resolve()
}

// Add makes Fresh the next line of the page.
func (c *Comparison) Add() {
	c.diverge()
	c.gapsChanged = c.gapsChanged || c.fresh.Flags&HasGap != 0
	c.packed.add(&c.last, &c.fresh)
	c.follows = -1
	c.n++
}

// diverge starts to pack the lines of this page, including those already read.
func (c *Comparison) diverge() {
	if c.diverged {
		return
	}
	c.diverged = true
	from := &c.memo.lines
	c.matched = slices.Grow(c.matched[:0], from.n)[:from.n]
	clear(c.matched)
	for i := range c.n {
		c.matched[i] = uint32(i) + 1
	}
	c.packed.reset()
	c.last.clear()
	c.follows = -1
	if from.n == 0 {
		size := len(c.body) / 2 // an ordinary page does not fill that
		if n := c.expected(); n > 0 {
			size = min(size, 256*n) // megabytes of comments need no memory here
		}
		c.packed.packed = slices.Grow(c.packed.packed, size)
	}
	if c.n == 0 {
		return
	}
	c.probe.seek(c.n - 1)
	c.last.set(&c.probe.Line)
	c.packed.packed = append(c.packed.packed, from.packed[:c.probe.at]...)
	c.packed.restarts = append(c.packed.restarts, from.restarts[:(c.n-1)/restartEvery+1]...)
	c.packed.n = c.n
}

// expected estimates the number of series on the page, or returns 0 if it cannot. Comments do not count,
// and there may be millions of them.
func (c *Comparison) expected() int {
	if c.body == nil {
		return 0
	}
	return max(1, bytes.Count(c.body, []byte("\n"))-bytes.Count(c.body, []byte("\n#")))
}

// resolve finds the series of fresh on the last page or on this one. It reports whether the series is new.
func (c *Comparison) resolve() (e Exception, isNew bool) {
	m, key := c.memo, c.fresh.key(seed)
	if !c.indexed.labels {
		c.indexed.labels = true
		c.labels.reset(max(m.lines.n, c.expected()))
		c.probe.reset(&m.lines, m.sinks)
		for !m.moved && c.probe.next() {
			if c.probe.Flags&Kept != 0 {
				c.labels.add(c.probe.key(seed), c.probe.n-1)
			}
		}
	}
	i, ok := c.labels.find(key)
	if !ok {
		c.labels.add(key, m.lines.n+c.n)
		if m.moved {
			return c.resolveMoved()
		}
		return Exception{}, true
	}
	if i >= m.lines.n {
		if c.recent.seek(i - m.lines.n); !c.recent.same(&c.fresh) {
			return Exception{}, true // two label sets share a hash; the second is not in the index
		}
		return Exception{State: c.share(i - m.lines.n)}, false
	}
	if c.probe.seek(i); !c.probe.same(&c.fresh) {
		return Exception{}, true
	}
	if k := c.matched[i]; k != 0 {
		return Exception{State: c.share(int(k) - 1)}, false
	}
	return c.match(i), false
}

// match makes remembered line i, which was elsewhere, the next line of the page and returns its exception.
func (c *Comparison) match(i int) Exception {
	c.matched[i] = uint32(c.n) + 1
	c.peeked = c.peeked && c.old.n-1 != i
	if at, found := findException(c.memo.exceptions, i); found {
		return c.memo.exceptions[at]
	}
	return Exception{}
}

// resolveMoved is resolve for a series that this page has not shown yet, in a Memo that was moved to other
// sinks. Its labels may be encoded for none of them.
func (c *Comparison) resolveMoved() (e Exception, isNew bool) {
	if !c.indexed.texts {
		c.indexed.texts = true
		c.texts.reset(c.memo.lines.n)
		c.probe.reset(&c.memo.lines, c.memo.sinks)
		for c.probe.next() {
			if c.probe.Flags&Kept != 0 {
				c.texts.add(HashOf(c.probe.Text), c.probe.n-1)
			}
		}
	}
	i, ok := c.texts.find(HashOf(c.fresh.Text))
	if !ok || c.matched[i] != 0 {
		return Exception{}, true
	}
	if c.probe.seek(i); !bytes.Equal(c.probe.Text, c.fresh.Text) {
		return Exception{}, true
	}
	for k, was := range c.probe.Encoded {
		if len(was) > 0 && !bytes.Equal(was, c.fresh.Encoded[k]) {
			return Exception{}, true // its labels have changed, so that it is another series
		}
	}
	return c.match(i), false
}

// share returns the state of the series on a line of this page that is shown once more.
func (c *Comparison) share(line int) *State {
	s := c.shares[line]
	if s == nil {
		if i, found := findException(c.exceptions, line); found {
			s = c.exceptions[i].State
		} else {
			s = &State{Last: c.at, Live: true, seen: c.memo.round}
			if c.shares == nil {
				c.shares = map[int]*State{}
			}
			c.shares[line] = s
		}
		c.before = append(c.before, stateBefore{s, *s})
		s.shared = true
	}
	return s
}

// Change returns an exception for the next line's series whose State the caller may change. It is e if e
// has a State; otherwise it has a copy of the common state, or an empty State if the series is new. Abort
// undoes the changes.
func (c *Comparison) Change(e *Exception, isNew bool) Exception {
	var own Exception
	if e != nil {
		own = *e
	}
	if own.State == nil {
		own.State = &State{Last: Never}
		if !isNew {
			*own.State = c.memo.common
		}
	}
	c.before = append(c.before, stateBefore{own.State, *own.State})
	return own
}

// See records that the page shows a series, and reports whether it already did before.
func (c *Comparison) See(s *State) (again bool) {
	again = s.seen == c.memo.round
	s.seen = c.memo.round
	return again
}

// Keep records a state that Change returned and the caller has changed, unless it equals the common state.
func (c *Comparison) Keep(e Exception) {
	if !e.ordinary(c.at) {
		e.line = c.n
		c.exceptions = append(c.exceptions, e)
	}
}

// Abort ends a round whose page does not count. It passes every series of the last valid page to stale.
func (c *Comparison) Abort(stale func(encoded [][]byte, s *State)) {
	for _, b := range slices.Backward(c.before) {
		*b.state = b.was
	}
	c.memo.allStale(c.at, &c.old, stale)
}

// Commit ends a round whose page counts, and remembers the page. It passes the series that only the last
// page shows to stale. tail is the text behind the last series. Commit reports whether anything between the
// series has changed, as far as the comparison could tell without parsing it.
func (c *Comparison) Commit(tail []byte, stale func(encoded [][]byte, s *State)) (gapsChanged bool) {
	m := c.memo
	c.endVanished(stale)
	if c.diverged {
		m.lines.packed = fit(m.lines.packed, c.packed.packed)
		m.lines.restarts = fit(m.lines.restarts, c.packed.restarts)
		m.lines.n = c.packed.n
	}
	m.exceptions = fit(m.exceptions, c.exceptions)
	if t := GapOf(tail); t != m.tail {
		m.tail, c.gapsChanged = t, true
	}
	m.form, m.moved, m.common.Last, m.common.Live = c.form, false, c.at, true
	return c.gapsChanged
}

func (c *Comparison) endVanished(stale func(encoded [][]byte, s *State)) {
	for line, s := range c.shares {
		c.exceptions = append(c.exceptions, Exception{line: line, State: s})
	}
	if len(c.shares) > 0 {
		slices.SortFunc(c.exceptions, func(a, b Exception) int { return cmp.Compare(a.line, b.line) })
	}
	m := c.memo
	if !c.diverged {
		if c.n == m.lines.n {
			return
		}
		c.diverge()
	}
	m.each(&c.old, func(e *Exception, _ bool) {
		if c.matched[e.line] != 0 {
			return
		}
		c.gapsChanged = c.gapsChanged || c.old.Flags&HasGap != 0
		if c.old.Flags&Kept != 0 && e.State.seen != m.round {
			stale(c.old.Encoded, e.State)
		}
	})
}

// Size returns about how many bytes a Comparison retains for the next page.
func (c *Comparison) Size() int {
	const slotSize = int(unsafe.Sizeof(slot{}))
	return cap(c.packed.packed) + 4*cap(c.packed.restarts) + slotSize*(cap(c.texts.slots)+cap(c.labels.slots)) + 4*cap(c.matched)
}
