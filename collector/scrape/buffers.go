package scrape

import (
	"context"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/semaphore"
)

// Buffers is memory that scrapes use one after another: that of the pages and blocks
// under way at one time, not of all targets. Make one a process, with NewBuffers; it is
// safe for concurrent use.
type Buffers struct {
	pages    sync.Pool // of *page
	blocks   sync.Pool // of *blocks
	readings sync.Pool // of *reading
	room     *semaphore.Weighted
	limit    int64 // of room
}

const (
	// freePage is how large a page may be without asking for room: all ordinary ones.
	freePage = 1 << 20
	// keptPage is the largest page whose memory is kept for the next one.
	keptPage = 8 << 20
	// roomyPages is the room of a process whose memory is not limited.
	roomyPages = 512 << 20
)

// NewBuffers returns Buffers whose large pages take a quarter of the process's memory
// limit (GOMEMLIMIT) together: a scrape of one waits for those before it.
func NewBuffers() *Buffers {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		limit = 4 * roomyPages
	}
	return &Buffers{room: semaphore.NewWeighted(limit / 4), limit: limit / 4}
}

// page is an answer's body, uncompressed.
type page struct {
	body        []byte
	contentType string
	gzip        gzip.Reader // its window is too large to be made for each scrape
	room        int64       // taken of Buffers.room
}

func (b *Buffers) getPage() *page {
	p, _ := b.pages.Get().(*page)
	if p == nil {
		p = &page{}
	}
	p.body = p.body[:0]
	return p
}

// grow makes room in p for at least one byte more, and for size bytes in all if that is
// known from the last scrape. It waits for room until ctx ends, and returns errNoRoom where
// there never will be enough.
//
// A page takes its room at once: what its size was last time and a little more, or, where
// that is not known or not enough, all there is. So no two wait for what the other has.
func (b *Buffers) grow(ctx context.Context, p *page, size int) error {
	known := size > len(p.body)
	size = max(size, len(p.body)+max(4096, len(p.body)/2))
	need := int64(size + len(p.body)) // both while it is copied
	if size > freePage && need > p.room {
		want := b.limit
		if known && p.room == 0 {
			want = min(need+need/4, b.limit)
		}
		if need > want {
			return errNoRoom
		}
		b.room.Release(p.room)
		p.room = 0
		if err := b.room.Acquire(ctx, want); err != nil {
			return err
		}
		p.room = want
	}
	p.body = slices.Grow(p.body, size-len(p.body))
	return nil
}

// putPage takes nil too.
func (b *Buffers) putPage(p *page) {
	if p == nil {
		return
	}
	if cap(p.body) > keptPage {
		p.body = nil
	}
	if p.room > 0 {
		b.room.Release(p.room)
		p.room = 0
	}
	b.pages.Put(p)
}

func (b *Buffers) getBlocks(sinks int) *blocks {
	w, _ := b.blocks.Get().(*blocks)
	if w == nil {
		w = &blocks{}
	}
	for len(w.sinks) < sinks {
		w.sinks = append(w.sinks, blockWriter{})
	}
	w.sinks = w.sinks[:sinks]
	w.reset()
	return w
}

func (b *Buffers) putBlocks(w *blocks) { b.blocks.Put(w) }

func (b *Buffers) getReading() *reading {
	r, _ := b.readings.Get().(*reading)
	if r == nil {
		r = &reading{}
	}
	return r
}

func (b *Buffers) putReading(r *reading) {
	r.release()
	b.readings.Put(r)
}
