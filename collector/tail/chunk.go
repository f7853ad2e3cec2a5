package tail

import (
	"math/bits"
	"sync"

	"lighter"
)

// Chunk sizes, powers of two. A quiet log is read into small chunks, so that a hundred quiet containers
// cost little, and a flood into large ones.
const (
	MinChunk = 4 << 10
	MaxChunk = 64 << 10 // a larger chunk holds a single long message, and is not reused
	classes  = 5        // 4, 8, 16, 32, 64 KiB
)

// entryBytes is what an entry adds to the memory budget besides its line.
const entryBytes = 40

// Chunk is the memory of one read and the batch made from it. A batch that has been handed on owns both
// until it is acknowledged; then they return to the pool.
type Chunk struct {
	Buf   []byte // cap is the chunk's size, and len the number of bytes read
	own   int    // bytes of lines that are not in Buf
	batch lighter.Batch
}

// Empty reports whether no line points into the chunk.
func (c *Chunk) Empty() bool { return len(c.batch.Entries) == 0 }

// Buffers hands out chunks and takes them back. All tailers of a process share one; the zero value is ready
// to use.
type Buffers struct{ pools [classes]sync.Pool }

// Get returns an empty chunk with room for at least n bytes.
func (p *Buffers) Get(n int) *Chunk {
	if n > MaxChunk {
		return &Chunk{Buf: make([]byte, 0, n)}
	}
	class := bits.Len(uint(max(n, 1)-1) / MinChunk)
	if c, ok := p.pools[class].Get().(*Chunk); ok {
		return c
	}
	return &Chunk{Buf: make([]byte, 0, MinChunk<<class)}
}

// Put returns a chunk that nobody reads any more.
func (p *Buffers) Put(c *Chunk) {
	size := cap(c.Buf)
	if size > MaxChunk {
		return
	}
	c.batch.Reset()
	c.Buf, c.own = c.Buf[:0], 0
	p.pools[bits.Len(uint(size-1)/MinChunk)].Put(c)
}
