package loki

import (
	"fmt"
	"testing"

	"lighter"
)

// Packing a request needs only the packer's own memory, up to the 5,000 lines of 200 bytes that fill one:
// it allocates neither per line, even with structured metadata, nor per request.
func TestAllocsPack(t *testing.T) {
	for _, lines := range []int{1, 100, 2500} {
		t.Run(fmt.Sprintf("lines=%d", lines), func(t *testing.T) {
			batches := []*lighter.Batch{manyLines(lines)[0], withFields(manyLines(lines)[0], []byte("1234"))}
			var p packer
			p.pack(batches, text) // takes the memory
			if n := testing.AllocsPerRun(20, func() { p.pack(batches, text) }); n > 0 {
				t.Errorf("%v allocations for a request of %d lines, want 0", n, 2*lines)
			}
		})
	}
}
