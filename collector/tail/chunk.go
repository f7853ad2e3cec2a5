package tail

import (
	"math/bits"
	"sync"

	"lighter"
)

// Sizes of chunks, powers of two: a quiet log is read into small ones, so that a hundred
// quiet containers cost little, and a flood into large ones.
const (
	MinChunk = 4 << 10
	MaxChunk = 64 << 10 // a larger one is for a single long message, and not kept
	classes  = 5        // 4, 8, 16, 32, 64 KiB
)

// entryBytes is what an entry costs beside its line, for the memory budget.
const entryBytes = 40

// Chunk is a read's memory and the batch made of it. A batch that is handed on owns both
// until it is acknowledged; then they come back to the pool.
type Chunk struct {
	Buf   []byte // cap is the chunk's size; len is how much of it is read
	own   int    // bytes of lines that are not in Buf
	batch lighter.Batch
}

// Empty reports whether no line points into the chunk.
func (c *Chunk) Empty() bool { return len(c.batch.Entries) == 0 }

// Buffers hands out chunks and takes them back. One is shared by all tailers of a process;
// the zero value is ready.
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

// Put takes a chunk back that nobody reads any more.
func (p *Buffers) Put(c *Chunk) {
	size := cap(c.Buf)
	if size > MaxChunk {
		return
	}
	c.batch.Reset()
	c.Buf, c.own = c.Buf[:0], 0
	p.pools[bits.Len(uint(size-1)/MinChunk)].Put(c)
}
