package position

// Cursor is how far one container's log is read and how far it is delivered. Begin and
// Read belong to the one collector that reads the log; what Begin returns may be called
// from anywhere.
type Cursor struct {
	store *Store
	id    string

	// all guarded by store.mu
	acked   place
	read    place
	pending []*mark // handed on and not acknowledged up to here, in order
	gone    bool    // the container is no more
	holders int     // collectors that may still move it
}

// place is a position and what is known of where it is in a file.
type place struct {
	Position
	hint Hint
}

type mark struct {
	first int64 // time of the first of the lines
	upTo  place
	acked bool
}

// Done says that the collector that took the cursor is finished with it. What it has
// handed on may still be acknowledged.
func (c *Cursor) Done() {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.holders--
	c.store.forgetLocked(c)
}

// Read returns where reading goes on in this process: after the last line handed on.
func (c *Cursor) Read() Position {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.read.Position
}

// Hint returns where in a file Read is; it is zero where that is not known.
func (c *Cursor) Hint() Hint {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.read.hint
}

// Acked returns the end of the longest acknowledged prefix: where the next process goes on.
func (c *Cursor) Acked() Position {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.acked.Position
}

// Waiting returns how many batches are handed on and not acknowledged.
func (c *Cursor) Waiting() int {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return len(c.pending)
}

// Start sets where a log begins that is seen for the first time; a cursor that has a
// position keeps it. It is written at once: a crash must not make the beginning later. It may
// become earlier as long as no line is delivered, for the clock may have been set back.
func (c *Cursor) Start(p Position) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	unread := c.read.Lines == 0 && c.read == c.acked
	if unread && !p.IsZero() && (c.read.IsZero() || p.Time < c.read.Time) {
		c.acked, c.read = place{Position: p}, place{Position: p}
		c.store.writeLocked(c.record())
	}
}

// Begin says that lines up to a position are handed on, the first of time first. Of what it
// returns one is called, once: acked when they are acknowledged, which moves the
// acknowledged position if nothing before them still waits; or undo, before the next
// Begin, if they were not handed on after all.
func (c *Cursor) Begin(first int64, upTo Position) (acked, undo func()) {
	return c.BeginAt(first, upTo, Hint{})
}

// BeginAt is Begin for a position of which is known where in a file it is.
func (c *Cursor) BeginAt(first int64, upTo Position, hint Hint) (acked, undo func()) {
	m := &mark{first: first, upTo: place{upTo, hint}}
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	before := c.read
	c.read = m.upTo
	c.pending = append(c.pending, m)
	return func() { c.ack(m) }, func() { c.undo(m, before) }
}

func (c *Cursor) undo(m *mark, before place) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if n := len(c.pending); n > 0 && c.pending[n-1] == m {
		c.pending[n-1] = nil
		c.pending = c.pending[:n-1]
		c.read = before
		c.store.forgetLocked(c)
	}
}

func (c *Cursor) ack(m *mark) {
	s := c.store
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
	moved := c.acked != c.pending[n-1].upTo
	c.acked = c.pending[n-1].upTo
	c.pending = append(c.pending[:0], c.pending[n:]...)
	if moved {
		s.writeLocked(c.record())
	}
	s.forgetLocked(c)
}

// record is the journal's line that says what is acknowledged.
func (c *Cursor) record() record {
	r := record{ID: c.id, Position: c.acked.Position}
	if hint := c.acked.hint; hint != (Hint{}) {
		r.File = &hint
	}
	return r
}
