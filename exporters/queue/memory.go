package queue

// memory holds the newest bytes that were written, as a ring, so that what is sent soon
// after is not read back. Positions in it only grow; a segment knows the position that its
// first byte has or would have, and so the ring needs no bookkeeping for a record. It is as
// large as what waits has needed, up to its limit.
type memory struct {
	limit uint64
	buf   []byte // nil until the first append
	start uint64 // what is before it was never written, or is no longer asked for
	head  uint64 // where the next byte goes
}

// newMemory returns a ring of limit bytes; with 0 it holds nothing. It begins so far from
// zero that a position before all it ever held is still one.
func newMemory(limit int64) memory {
	const first = 1 << 40
	m := memory{limit: uint64(limit), start: first, head: first}
	m.rewind()
	return m
}

// append keeps body, after skipping as many bytes as the record has before it. What is before
// oldest is not asked for any more.
func (m *memory) append(skip int, body []byte, oldest uint64) {
	m.head += uint64(skip)
	if uint64(len(body)) > m.limit {
		m.head += uint64(len(body))
		m.start = m.head
		return
	}
	if need := m.head + uint64(len(body)) - max(oldest, m.start); need > uint64(len(m.buf)) && uint64(len(m.buf)) < m.limit {
		m.grow(need)
	}
	m.put(body)
}

// smallRing is the size of a ring that has hardly anything to keep.
const smallRing = 64 << 10

// grow makes room for need bytes, or for limit if that is less.
func (m *memory) grow(need uint64) {
	old := *m
	size := max(smallRing, 2*uint64(len(old.buf)))
	for size < need {
		size *= 2
	}
	m.buf = make([]byte, min(size, m.limit))
	if len(old.buf) == 0 {
		return
	}
	m.start = max(old.start, old.head-min(old.head, uint64(len(old.buf))))
	for m.head = m.start; m.head < old.head; {
		m.put(old.part(m.head, old.head))
	}
}

// put writes body at head.
func (m *memory) put(body []byte) {
	for len(body) > 0 {
		n := copy(m.buf[m.head%uint64(len(m.buf)):], body)
		m.head += uint64(n)
		body = body[n:]
	}
}

// part returns what the ring holds from a position on, up to another or its edge.
func (m *memory) part(at, end uint64) []byte {
	size := uint64(len(m.buf))
	from := at % size
	return m.buf[from:min(size, from+end-at)]
}

// read appends n bytes from position at to dst; false: the ring does not hold them.
func (m *memory) read(dst []byte, at uint64, n int) ([]byte, bool) {
	end := at + uint64(n)
	if at < m.start || end > m.head || m.head-at > uint64(len(m.buf)) {
		return dst, false
	}
	for at < end {
		part := m.part(at, end)
		dst = append(dst, part...)
		at += uint64(len(part))
	}
	return dst, true
}

// rewind forgets everything and starts at the beginning of the buffer again, so that a
// queue that is empty most of the time touches little of it.
func (m *memory) rewind() {
	if size := uint64(len(m.buf)); size > 0 {
		m.head = (m.head + size - 1) / size * size
	}
	m.start = m.head
}
