// Package offheap provides memory that grows in place and lies outside of Go's heap.
//
// In the heap, growing a large page copies it, and both copies exist until the garbage collector has run.
// Off the heap, a page takes only its own bytes, and freeing it returns them at once. docs/performance.md
// compares both. The price is that nothing may point into the memory once it is freed: reading it then
// crashes the process.
package offheap

import (
	"fmt"
	"syscall"
)

// Memory is a range of addresses. The bytes that Open returned can be used.
type Memory struct{ all []byte }

// Reserve reserves addresses for size bytes. They take no memory until they are opened and written to.
func Reserve(size int) (*Memory, error) {
	all, err := syscall.Mmap(-1, 0, size, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of addresses: %w", size, err)
	}
	return &Memory{all}, nil
}

// Open returns the first n bytes, which can be used until Free. The bytes never move, so that bytes opened
// earlier keep their address and content. New bytes are zero.
func (m *Memory) Open(n int) ([]byte, error) {
	b := m.all[:n:n]
	if err := syscall.Mprotect(b, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		return nil, fmt.Errorf("get memory for %d bytes: %w", n, err)
	}
	return b, nil
}

// Free returns the memory and its addresses to the kernel. Nothing may point into it any more.
func (m *Memory) Free() {
	if err := syscall.Munmap(m.all); err != nil {
		panic(fmt.Sprintf("free memory outside of the heap: %v", err)) // it was already freed
	}
	m.all = nil
}
