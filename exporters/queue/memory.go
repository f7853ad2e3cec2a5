package queue

// memory holds the newest bytes that were written, as a ring, so that what is sent soon
// after is not read back. Positions in it only grow; a segment knows the position that its
// first byte has or would have, and so the ring needs no bookkeeping for a record.
type memory struct {
	limit uint64
	buf   []byte // of limit bytes; nil until the first append
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

// append keeps body, after skipping as many bytes as the record has before it.
func (m *memory) append(skip int, body []byte) {
	m.head += uint64(skip)
	if uint64(len(body)) > m.limit {
		m.head += uint64(len(body))
		m.start = m.head
		return
	}
	if m.buf == nil {
		m.buf = make([]byte, m.limit)
	}
	for len(body) > 0 {
		n := copy(m.buf[m.head%m.limit:], body)
		m.head += uint64(n)
		body = body[n:]
	}
}

// read appends n bytes from position at to dst; false: the ring does not hold them.
func (m *memory) read(dst []byte, at uint64, n int) ([]byte, bool) {
	end := at + uint64(n)
	if at < m.start || end > m.head || m.head-at > m.limit {
		return dst, false
	}
	for at < end {
		from := at % m.limit
		part := m.buf[from:min(m.limit, from+end-at)]
		dst = append(dst, part...)
		at += uint64(len(part))
	}
	return dst, true
}

// rewind forgets everything and starts at the beginning of the buffer again, so that a
// queue that is empty most of the time touches little of it.
func (m *memory) rewind() {
	if m.limit > 0 {
		m.head = (m.head + m.limit - 1) / m.limit * m.limit
	}
	m.start = m.head
}
