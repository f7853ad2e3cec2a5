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
	pages sync.Pool // of *page
	works sync.Pool // of *work, for ordinary pages
	room  *semaphore.Weighted
	limit int64 // of room

	turn  *semaphore.Weighted // of one large page after the other
	large *work               // theirs; of whoever has the turn; nil before the first
}

const (
	// freePage is how large a page may be without asking for room, or for its turn: all
	// ordinary ones.
	freePage = 1 << 20
	// keptPage is the largest page whose memory is kept for the next one.
	keptPage = 8 << 20
	// roomyPages is the room of a process whose memory is not limited.
	roomyPages = 512 << 20
)

// NewBuffers returns Buffers whose large pages take a quarter of the process's memory
// limit (GOMEMLIMIT) together: a scrape of one waits for those before it. They are read and
// handed on one after another: what that takes beside the page is more than the page.
func NewBuffers() *Buffers {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		limit = 4 * roomyPages
	}
	return &Buffers{room: semaphore.NewWeighted(limit / 4), limit: limit / 4, turn: semaphore.NewWeighted(1)}
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

// work is what the reading of a page takes, and what comes of it.
type work struct {
	out     blocks
	reading reading
	size    int // of the page
}

// getWork returns memory for a page of that size, or about that. For a large one it waits for
// its turn, until ctx ends, which it reports as nil.
func (b *Buffers) getWork(ctx context.Context, size int, sinks []Sink) *work {
	var w *work
	if size <= freePage {
		w, _ = b.works.Get().(*work)
	} else {
		if b.turn.Acquire(ctx, 1) != nil {
			return nil
		}
		w = b.large
	}
	if w == nil {
		w = &work{}
	}
	w.size = size
	for len(w.out.sinks) < len(sinks) {
		w.out.sinks = append(w.out.sinks, blockWriter{})
	}
	w.out.sinks = w.out.sinks[:len(sinks)]
	w.out.reset()
	for i, sink := range sinks {
		w.out.sinks[i].packer, _ = sink.(Packer)
	}
	return w
}

func (b *Buffers) putWork(w *work) {
	w.reading.release()
	w.out.release()
	if w.size <= freePage {
		b.works.Put(w)
		return
	}
	if b.large = w; w.size > keptPage {
		b.large = nil
	}
	b.turn.Release(1)
}
