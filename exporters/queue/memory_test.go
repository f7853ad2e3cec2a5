package queue

import (
	"bytes"
	"testing"
)

// TestMemoryGrows: the ring is as large as what waits has needed, up to its limit, and gives
// back what it holds after each step.
func TestMemoryGrows(t *testing.T) {
	const limit, skip, size = 1 << 20, 36, 10_000
	m := newMemory(limit)
	body := func(n int) []byte { return bytes.Repeat([]byte{byte(n)}, size) }
	for n := range 1000 { // nothing waits
		m.append(skip, body(n), m.head)
	}
	if len(m.buf) != smallRing {
		t.Errorf("%d bytes for what does not wait, want %d", len(m.buf), smallRing)
	}
	oldest := m.head
	var at []uint64
	for n := range 200 { // everything waits, at last more than the limit
		at = append(at, m.head+skip)
		m.append(skip, body(n), oldest)
		held := 0
		for i, from := range at {
			got, ok := m.read(nil, from, size)
			if ok && !bytes.Equal(got, body(i)) {
				t.Fatalf("after %d: record %d is not what it was", n, i)
			}
			if ok {
				held++
			}
		}
		if want := min(n+1, limit/(skip+size)); held < want {
			t.Fatalf("after %d: %d records are held, want %d", n, held, want)
		}
		if waits := (n + 1) * (skip + size); len(m.buf) > max(smallRing, 2*waits) || len(m.buf) > limit {
			t.Fatalf("after %d: %d bytes for the %d that wait", n, len(m.buf), waits)
		}
	}
	m.rewind()
	from := m.head + skip
	m.append(skip, body(7), m.head)
	if got, ok := m.read(nil, from, size); !ok || !bytes.Equal(got, body(7)) {
		t.Error("after a rewind a record is not held")
	}
	if _, ok := m.read(nil, at[199], size); ok {
		t.Error("after a rewind an old record is still held")
	}
}
