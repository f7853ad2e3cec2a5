package memo

import (
	"bytes"
	"cmp"
	"slices"
	"unsafe"
)

// Comparison compares one page with a Memo. Its memory is used again for the page of another.
//
// Begin it, read the page from its beginning to its end with Next, Jump, Take and Learn, and end
// it with Commit or Abort.
type Comparison struct {
	memo *Memo
	form Form
	at   int64  // the time of samples that have none of their own
	body []byte // of the page, not owned; nil if it has no lines
	n    int    // lines of the page that are read

	// Over the remembered lines: those before old are taken, or not on this page where they were.
	old           walker
	peeked        bool // old is at a line that is not taken
	trusted       bool // the page has the form of the last one, so that a text means what it meant
	nextException int  // the first exception of the Memo that is not before old

	exceptions  []Exception   // of this page
	before      []stateBefore // what Change was given, for a page that turns out not to count
	gapsChanged bool          // what stands between the series has changed

	// The page differs from the remembered one, and is packed to be remembered itself. What follows is
	// in use only then.
	diverged bool
	matched  []uint32       // by remembered line: 1 + the line of this page that it turned out to be; 0: not seen yet
	packed   lines          // of this page
	last     Line           // the last of them
	follows  int            // the remembered line that is packed as its difference from just that; -1: none
	shares   map[int]*State // of series that this page shows twice, by the first line
	texts    index          // of the remembered lines
	labels   index          // of those, and behind them of the lines of this page
	indexed  struct{ texts, labels bool }
	probe    walker // over the remembered lines
	recent   walker // over those of this page

	fresh Line // for Fresh
}

// stateBefore is what a series was before this page.
type stateBefore struct {
	state *State
	was   State
}

// Begin begins a round with a page of a form. body is looked at to guess how many series the page
// has; it is nil for a page that has no lines.
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

// Release lets go of what is not the comparison's own.
func (c *Comparison) Release() {
	clear(c.exceptions)
	clear(c.before)
	c.memo, c.body, c.shares = nil, nil, nil
	c.old.lines, c.probe.lines = nil, nil
}

// Next returns the next remembered line that the page has not shown yet, or nil. It is the same
// line until it is taken.
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
		if c.old.Flags&Kept != 0 { // else the labels that the next differs from are those of a line before
			c.follows = i + 1
		}
	}
	c.n++
	c.peeked = false
}

// Jump makes the remembered line of a text the one that Next returns, if there is one that is not
// taken and has that gap before it and that type. It reports whether there is.
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
		return false // the last is for a line that old is at and that is the parser's to read
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

// AtTail reports whether nothing but the rest of a page is left, and it is that of the last one.
func (c *Comparison) AtTail(rest []byte) bool {
	return c.trusted && len(rest) == c.memo.tail.Size && c.memo.tail.Begins(rest)
}

// Fresh returns a line to be filled for Learn.
func (c *Comparison) Fresh() *Line { return &c.fresh }

// Learn looks for the series of Fresh, which metric relabelling keeps, and returns its exception: one of
// the last page, or one of a line before on this page. It has no State if the series is new or has the
// state of all. Add must follow.
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

// diverge begins to pack the lines of this page, those included that were read before.
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
		size := len(c.body) / 2 // which a page that is not odd does not fill
		if n := c.expected(); n > 0 {
			size = min(size, 256*n) // megabytes of comments take nothing
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

// expected returns about how many series the page has, or 0 if that is not known. Comments are no
// series, and may be millions.
func (c *Comparison) expected() int {
	if c.body == nil {
		return 0
	}
	return max(1, bytes.Count(c.body, []byte("\n"))-bytes.Count(c.body, []byte("\n#")))
}

// resolve finds the series that fresh is: one that the last page showed, or this one, or none.
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
			return Exception{}, true // two label sets share a hash, and the second does without the index
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

// match makes the next line of the page one that was remembered elsewhere, and returns its exception.
func (c *Comparison) match(i int) Exception {
	c.matched[i] = uint32(c.n) + 1
	c.peeked = c.peeked && c.old.n-1 != i
	if at, found := findException(c.memo.exceptions, i); found {
		return c.memo.exceptions[at]
	}
	return Exception{}
}

// resolveMoved is resolve for a series that this page has not shown yet, of a Memo that was moved to
// other sinks. Its labels may be encoded for none of them.
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
			return Exception{}, true // it has other labels by now, and is another series
		}
	}
	return c.match(i), false
}

// share returns the state of the series of a line of this page, which is shown once more.
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

// Change returns an exception for the next line's series, whose State is to be changed: e if that has a
// State, else one with a copy of the state of all, or with an empty State if the series is new. Abort
// undoes what is changed.
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

// See notes that the page shows a series, and reports whether it did before.
func (c *Comparison) See(s *State) (again bool) {
	again = s.seen == c.memo.round
	s.seen = c.memo.round
	return again
}

// Keep keeps what became of a state that Change returned, unless that is the state of all.
func (c *Comparison) Keep(e Exception) {
	if !e.ordinary(c.at) {
		e.line = c.n
		c.exceptions = append(c.exceptions, e)
	}
}

// Abort ends a round whose page does not count. Everything that the last good page showed is
// passed to stale.
func (c *Comparison) Abort(stale func(encoded [][]byte, s *State)) {
	for _, b := range slices.Backward(c.before) {
		*b.state = b.was
	}
	c.memo.allStale(c.at, &c.old, stale)
}

// Commit ends a round whose page counts, and remembers it. What the last page showed and this one
// does not is passed to stale. tail is what stands behind the last series. It reports whether
// anything between the series has changed, as far as that is known without a look at it.
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

// Size returns about how many bytes a Comparison holds for the next page.
func (c *Comparison) Size() int {
	const slotSize = int(unsafe.Sizeof(slot{}))
	return cap(c.packed.packed) + 4*cap(c.packed.restarts) + slotSize*(cap(c.texts.slots)+cap(c.labels.slots)) + 4*cap(c.matched)
}
