package dockerlog

import (
	"sync"

	"lighter"
)

// Buffers are of three sizes: a quiet log is read into small ones, so that a hundred
// quiet containers cost little, and a flood into large ones.
const (
	smallChunk  = 4 << 10
	mediumChunk = 32 << 10 // holds the longest frame of json-file, 16 KiB, and a read after it
	minRead     = 512      // less room than this is not worth a read
)

// entryBytes is what an entry costs beside its line, for the memory budget.
const entryBytes = 40

// chunk is a read's memory and the batch made of it. The batch owns both until it is
// acknowledged; then they come back to the pool.
type chunk struct {
	buf   []byte // cap is the chunk's size; len is how much of it is read
	own   int    // bytes of lines that are not in buf
	batch lighter.Batch
}

// empty reports whether no line points into the chunk.
func (c *chunk) empty() bool { return len(c.batch.Entries) == 0 }

// chunks hands out chunks and takes them back. It is shared by all tailers of a process.
type chunks struct{ small, medium sync.Pool }

// get returns an empty chunk with room for at least n bytes.
func (p *chunks) get(n int) *chunk {
	var c *chunk
	switch {
	case n <= smallChunk:
		c, n = fromPool(&p.small), smallChunk
	case n <= mediumChunk:
		c, n = fromPool(&p.medium), mediumChunk
	default: // a message longer than json-file's: rare, and not kept
		c = &chunk{}
	}
	if c.buf == nil {
		c.buf = make([]byte, 0, n)
	}
	return c
}

func fromPool(p *sync.Pool) *chunk {
	if c, ok := p.Get().(*chunk); ok {
		return c
	}
	return &chunk{}
}

// put takes a chunk back that nobody reads any more.
func (p *chunks) put(c *chunk) {
	clear(c.batch.Entries) // so that no line's memory is kept
	*c = chunk{buf: c.buf[:0], batch: lighter.Batch{Entries: c.batch.Entries[:0]}}
	switch cap(c.buf) {
	case smallChunk:
		p.small.Put(c)
	case mediumChunk:
		p.medium.Put(c)
	}
}
