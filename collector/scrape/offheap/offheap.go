// Package offheap provides memory that grows in place and lies outside of Go's heap.
//
// In the heap, a large page has to be copied when it grows, and is there twice until the garbage
// collector has run. Here a page takes its own bytes and no more, and they are gone as soon as
// they are freed. docs/performance.md has the figures of both. The price is that nothing may
// point into the memory once it is freed: reading it ends the process.
package offheap

import (
	"fmt"
	"syscall"
)

// Memory is a range of addresses. The bytes at its beginning that are opened can be used.
type Memory struct{ all []byte }

// Reserve returns addresses for size bytes. They take no memory before they are opened and
// written to.
func Reserve(size int) (*Memory, error) {
	all, err := syscall.Mmap(-1, 0, size, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of addresses: %w", size, err)
	}
	return &Memory{all}, nil
}

// Open returns the first n bytes, which can be used until Free. They never move: bytes that were
// opened before keep their addresses and what they hold. New bytes are zero.
func (m *Memory) Open(n int) ([]byte, error) {
	b := m.all[:n:n]
	if err := syscall.Mprotect(b, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		return nil, fmt.Errorf("get memory for %d bytes: %w", n, err)
	}
	return b, nil
}

// Free gives the memory and its addresses back to the kernel. Nothing may point to them any more.
func (m *Memory) Free() {
	if err := syscall.Munmap(m.all); err != nil {
		panic(fmt.Sprintf("free memory outside of the heap: %v", err)) // it was freed before
	}
	m.all = nil
}
