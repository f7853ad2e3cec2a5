package agent

import (
	"bytes"
	"fmt"
	"testing"
)

// The lines passed to a reader stay unchanged, even if newer ones replace them in the log while its
// endpoint stands still.
func TestLinesOfTheOwnLogAreTheReaders(t *testing.T) {
	o := NewOwnLog()
	line := func(i int) []byte {
		return append(fmt.Appendf(nil, "%d ", i), bytes.Repeat([]byte("x"), ownLogBytes/8)...)
	}
	const n = 5 // the array of the lines has room for more, so that Write clears entries of the same one
	for i := range n {
		_, _ = o.Write(line(i))
	}
	lines, _ := o.next("key")
	if len(lines) != n {
		t.Fatalf("%d lines, want %d", len(lines), n)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range 100 {
			_, _ = o.Write(line(n + i))
		}
	}()
	check := func() {
		t.Helper()
		for i, l := range lines {
			if l.at == 0 || !bytes.Equal(l.text, line(i)) {
				t.Errorf("line %d became %.10q of time %d", i, l.text, l.at)
			}
		}
	}
	check() // with the race detector, concurrently with Write
	<-written
	check()
}
