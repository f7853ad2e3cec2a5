package queue_test

import (
	"errors"
	"testing"

	"lighter/exporters/queue"
)

// A full queue can be moved from one lane to the other record by record, and exceeds its limit by no more
// than a segment.
func TestMoveAFullQueue(t *testing.T) {
	const limit = 64 << 10
	f := open(t, t.TempDir(), maxBytes(limit), lanes(2))
	n := 0
	for f.Append(0, 1, body(n, 1000)) == nil {
		n++
	}
	if err := f.Append(1, 1, body(n, 1000)); !errors.Is(err, queue.ErrFull) {
		t.Fatalf("full: %v", err)
	}
	for i := range n {
		r, b := f.mustNext(t, 0)
		if err := f.AppendMoved(1, r.Items, b); err != nil {
			t.Fatalf("record %d of %d: %v", i, n, err)
		}
		if err := f.Ack(r); err != nil {
			t.Fatal(err)
		}
		if st := f.Stats(); st.Bytes > limit+limit/16+2000 {
			t.Fatalf("%d bytes on disk of %d", st.Bytes, limit)
		}
		if f.Len(0) != n-i-1 || f.Len(1) != i+1 {
			t.Fatalf("%d and %d records of %d after %d", f.Len(0), f.Len(1), n, i+1)
		}
	}
	for i := range n {
		r, b := f.mustNext(t, 1)
		if string(b) != string(body(i, 1000)) {
			t.Fatalf("record %d is another", i)
		}
		if err := f.Ack(r); err != nil {
			t.Fatal(err)
		}
	}
	for f.AppendMoved(1, 1, body(n, 1000)) == nil {
	}
	if st := f.Stats(); st.Bytes > limit+limit/16+2000 {
		t.Errorf("%d bytes on disk of %d", st.Bytes, limit)
	}
}
