package offheap

import (
	"bytes"
	"math/rand/v2"
	"runtime/debug"
	"testing"
)

// plain is the simple implementation of Memory, in Go's heap.
type plain struct{ all []byte }

func (p *plain) open(n int) []byte {
	if n > len(p.all) {
		p.all = append(p.all, make([]byte, n-len(p.all))...)
	}
	return p.all[:n]
}

// TestMemoryIsLikePlainMemory: whatever is opened and written, Memory has the same content as memory of the
// heap, and it does not move.
func TestMemoryIsLikePlainMemory(t *testing.T) {
	const size = 3 << 20
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		m, err := Reserve(size)
		if err != nil {
			t.Fatal(err)
		}
		var want plain
		var first *byte
		for opened := 0; opened < size; {
			opened = min(size, opened+1+random.IntN(size/10))
			got, err := m.Open(opened)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = &got[0]
			}
			if &got[0] != first {
				t.Error("the memory has moved")
			}
			if cap(got) != opened {
				t.Errorf("%d bytes can be used, want %d", cap(got), opened)
			}
			if !bytes.Equal(got, want.open(opened)) {
				t.Fatalf("the first %d bytes differ from plain memory's", opened)
			}
			for range 1000 {
				at, b := random.IntN(opened), byte(random.Uint32())
				got[at], want.all[at] = b, b
			}
		}
		m.Free()
	}
}

// TestReserveOpensNothing: memory that is not opened cannot be used by mistake.
func TestReserveOpensNothing(t *testing.T) {
	m, err := Reserve(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	if _, err := m.Open(4096); err != nil {
		t.Fatal(err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			t.Error("a byte that is not opened can be written")
		}
	}()
	m.all[1<<19] = 1
}

func TestErrorsTellTheSize(t *testing.T) {
	_, err := Reserve(0)
	if err == nil || err.Error() != "reserve 0 bytes of addresses: invalid argument" {
		t.Errorf("err = %v", err)
	}
}
