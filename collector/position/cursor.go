package position

import (
	"bytes"
	"slices"
)

// Cursor records how far one log is read and how far it is delivered. Its methods are for the one collector
// that reads the log.
type Cursor struct {
	store *Store
	key   string

	// All guarded by store.mu.
	acked   point
	read    point
	pending []*Mark // handed on and not acknowledged without a gap, in order
	gone    bool    // the container no longer exists
	holders int     // number of collectors that may still move it
	note    []byte  // the collector's own JSON, or nil
}

// point is a position, its bookmark, and the state of the log's stages at that position.
type point struct {
	Position
	bookmark Bookmark
	state    []byte
}

func (p point) equal(o point) bool {
	return p.Position == o.Position && p.bookmark == o.bookmark && bytes.Equal(p.state, o.state)
}

// Done declares that the collector that took the cursor is finished with it. What it has handed on may
// still be acknowledged.
func (c *Cursor) Done() {
	defer c.store.flush()
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.holders--
	c.store.forgetLocked(c)
}

// Gone declares that the log no longer exists. The cursor is deleted as soon as nobody holds it and
// everything that was read is acknowledged, unless somebody takes the cursor again before that.
func (c *Cursor) Gone() {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.gone = true
}

// Note stores what the collector must know to read lines that it has handed on again in the same form. It
// is JSON, and must not be changed afterwards. When Note returns it is on disk, unless the disk cannot be
// written. It stays until the next Note, whatever is acknowledged.
func (c *Cursor) Note(note []byte) {
	defer c.store.flush()
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.note = note
	c.store.writeLocked(c.record())
}

// Noted returns the argument of the last Note, or nil.
func (c *Cursor) Noted() []byte {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.note
}

// empty reports whether there is nothing to write for the cursor.
func (c *Cursor) empty() bool { return c.acked.IsZero() && c.note == nil }

// Read returns where reading continues in this process: after the last line handed on.
func (c *Cursor) Read() Position {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.read.Position
}

// Bookmark returns the bookmark of Read, or zero if there is none.
func (c *Cursor) Bookmark() Bookmark {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.read.bookmark
}

// Acked returns the end of the acknowledged prefix: where the next process continues.
func (c *Cursor) Acked() Position {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.acked.Position
}

// Start sets the beginning of a new log; a cursor with a position keeps it. It is written at once, because
// a crash must not make the beginning later. It may become earlier until a line is delivered, because the
// clock may have been set back.
func (c *Cursor) Start(p Position) {
	defer c.store.flush()
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	unread := !c.read.HasLines() && c.read.equal(c.acked)
	if unread && !p.IsZero() && (c.read.IsZero() || p.Time < c.read.Time) {
		c.acked, c.read = point{Position: p}, point{Position: p}
		c.store.writeLocked(c.record())
	}
}

// Mark records that the lines up to upTo are handed on; first is the time of the first of them, in Unix
// nanoseconds. The caller must call Ack or Undo once on the returned Mark.
func (c *Cursor) Mark(first int64, upTo Position, bookmark Bookmark) *Mark {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	m := &Mark{cursor: c, first: first, before: c.read, upTo: point{upTo, bookmark, c.read.state}}
	c.read = m.upTo
	c.pending = append(c.pending, m)
	return m
}

// Mark stands for lines that are handed on together. They are acknowledged together; then the position
// moves past them, as soon as nothing before them still waits.
type Mark struct {
	cursor *Cursor
	first  int64 // time of the first of the lines
	before point // where reading continued before them
	upTo   point
	own    bool // SetState was called; otherwise the state is that of the mark before
	acked  bool
}

// SetState sets the state of the log's stages at the end of the lines, such as their counts. It is written
// together with the position. Call it before Ack.
func (m *Mark) SetState(state []byte) {
	c := m.cursor
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	m.upTo.state, m.own = state, true
	i := slices.Index(c.pending, m)
	if i < 0 {
		return
	}
	for _, later := range c.pending[i+1:] { // later marks without a state of their own inherit this one
		later.before.state = state
		if later.own {
			return
		}
		later.upTo.state = state
	}
	c.read.state = state
}

// Rewind makes the next collector that takes the cursor read these lines and all later ones again: they
// count as not handed on, whatever happens to them. The collector that handed them on must call Done on the
// cursor afterwards, and hand on no more.
func (m *Mark) Rewind() {
	c := m.cursor
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if i := slices.Index(c.pending, m); i >= 0 {
		clear(c.pending[i:])
		c.pending = c.pending[:i]
		c.read = m.before
	}
}

// Ack declares that the lines are delivered, refused for good, or on disk. It may be called from any
// goroutine.
func (m *Mark) Ack() {
	c := m.cursor
	s := c.store
	defer s.flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	m.acked = true
	n := 0
	for n < len(c.pending) && c.pending[n].acked {
		n++
	}
	if n == 0 {
		return
	}
	moved := !c.acked.equal(c.pending[n-1].upTo)
	c.acked = c.pending[n-1].upTo
	c.pending = append(c.pending[:0], c.pending[n:]...)
	if moved {
		s.writeLocked(c.record())
	}
	s.forgetLocked(c)
}

// Undo declares that the lines were not handed on after all. Call it before the next Mark.
func (m *Mark) Undo() {
	c := m.cursor
	defer c.store.flush()
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if n := len(c.pending); n > 0 && c.pending[n-1] == m {
		c.pending[n-1] = nil
		c.pending = c.pending[:n-1]
		c.read = m.before
		c.store.forgetLocked(c)
	}
}

// record returns the journal record of what is acknowledged.
func (c *Cursor) record() record {
	r := record{ID: c.key, Position: c.acked.Position, State: c.acked.state, Note: c.note}
	if bookmark := c.acked.bookmark; bookmark != (Bookmark{}) {
		r.File = &bookmark
	}
	return r
}
