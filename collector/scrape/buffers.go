package scrape

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/semaphore"

	"lighter/collector/scrape/offheap"
)

// Buffers is memory that scrapes use one after another: that of the pages and blocks
// under way at one time, not of all targets. Make one a process, with NewBuffers; it is
// safe for concurrent use.
type Buffers struct {
	pages sync.Pool // of *page, without bodies
	heap  sync.Pool // of *[]byte, for ordinary pages
	works sync.Pool // of *work, for ordinary pages
	room  room      // of all bodies

	unseen *semaphore.Weighted // of targets that are asked for the first time
	turn   *semaphore.Weighted // of one large page after the other
	large  *work               // owned by whoever has the turn, for the next large page; nil if there is none to use again
}

const (
	// PageMemory is what all pages that are being read at one time may take, uncompressed:
	// one of the largest that a target may have by default (DefaultConfig, BodyLimit).
	PageMemory = 64 << 20

	// ordinaryPage is the largest page that lies in Go's heap, in memory that is used again, and
	// that is read without waiting for a turn. Nearly all pages are smaller. Larger pages lie in
	// memory outside of the heap (package offheap).
	ordinaryPage = 1 << 20
	// keptWork is the largest page for which the memory that its reading takes is kept for the next one.
	keptWork = 8 << 20
	// unseenPages is how many targets are asked at one time whose page nobody has seen before. It may be
	// large, and all targets are asked for the first time when the agent starts.
	unseenPages = 4
	// unseenPatience is how long a target waits for others before it is asked all the same: they may
	// be slow, or never answer.
	unseenPatience = 5 * time.Second
	// spare is what the memory of a large page has behind its bytes. The end of the page is
	// found there, and the parser writes a newline to it.
	spare = 4096
)

// NewBuffers returns Buffers for pages that take no more than limit bytes at one time, which
// is PageMemory or, in a process of little memory, less. Large pages are read from the network
// as they come, and handed on one after another: what that takes beside the page is more than
// the page.
func NewBuffers(limit int64) *Buffers {
	return &Buffers{room: room{size: limit}, unseen: semaphore.NewWeighted(unseenPages), turn: semaphore.NewWeighted(1)}
}

// page is an answer's body, uncompressed.
type page struct {
	body        []byte // in heap or in large
	contentType string
	gzip        gzip.Reader // its window is too large to be made for each scrape

	share share           // of Buffers.room
	heap  *[]byte         // of Buffers.heap; nil if it has none
	large *offheap.Memory // holds the body of a large page; nil if the page is small
}

// takeUnseen waits for its turn to ask a target for the first time. The caller gives it back.
func (b *Buffers) takeUnseen(ctx context.Context) (giveBack func()) {
	ctx, cancel := context.WithTimeout(ctx, unseenPatience)
	defer cancel()
	if b.unseen.Acquire(ctx, 1) != nil {
		return func() {}
	}
	return func() { b.unseen.Release(1) }
}

// getPage returns a page without room for a byte. giveWay ends its reading.
func (b *Buffers) getPage(giveWay context.CancelCauseFunc) *page {
	p, _ := b.pages.Get().(*page)
	if p == nil {
		p = &page{}
	}
	p.share = share{giveWay: giveWay}
	return p
}

// full reports whether nothing can be read into p before it grows. One byte stays free for
// the parser.
func (p *page) full() bool { return cap(p.body)-len(p.body) < 2 }

// free is where the next bytes of p go.
func (p *page) free() []byte { return p.body[len(p.body) : cap(p.body)-1] }

// grow makes room in p for at least one byte more, and for size bytes in all if as many are
// expected. It waits for room until ctx ends, and then returns the cause; after patience other
// pages give way. It returns errTooLarge if there never will be enough.
//
// A page whose size is known from the last scrape takes all of it at once, so that of many
// pages for which there is no room at one time each is read as soon as some others are whole.
func (b *Buffers) grow(ctx context.Context, p *page, size int, patience time.Duration) error {
	if need := len(p.body) + 2; size < need { // nobody knows how much comes
		size = need
		if need > ordinaryPage {
			size += max(ordinaryPage, need/4)
		}
	}
	if size > ordinaryPage {
		return b.growLarge(ctx, p, size, patience)
	}
	if p.heap == nil {
		if p.heap, _ = b.heap.Get().(*[]byte); p.heap == nil {
			p.heap = new([]byte)
		}
	}
	n := cap(*p.heap)
	if n < size {
		n = min(max(size, 2*n, 4096), ordinaryPage)
	}
	if err := b.room.take(ctx, &p.share, int64(n), patience); err != nil {
		return err
	}
	if n > cap(*p.heap) {
		*p.heap = append(make([]byte, 0, n), p.body...)
	}
	p.body = (*p.heap)[:len(p.body)]
	return nil
}

// growLarge is grow for a page that is large, or becomes so.
func (b *Buffers) growLarge(ctx context.Context, p *page, size int, patience time.Duration) error {
	n := min(int64(size), b.room.size)
	if p.large != nil && n <= p.share.held {
		return errTooLarge
	}
	if err := b.room.take(ctx, &p.share, n, patience); err != nil {
		return err
	}
	isNew := p.large == nil
	if isNew {
		var err error
		if p.large, err = offheap.Reserve(int(b.room.size) + spare); err != nil {
			return &failure{resultNoRoom, fmt.Errorf("cannot get memory for a page of more than %d bytes: %w", len(p.body), err)}
		}
	}
	all, err := p.large.Open(int(n) + spare)
	if err != nil {
		return &failure{resultNoRoom, fmt.Errorf("cannot get memory for a page of more than %d bytes: %w", len(p.body), err)}
	}
	if isNew {
		copy(all, p.body)
		b.putHeap(p)
	}
	p.body = all[:len(p.body)]
	return nil
}

func (b *Buffers) putHeap(p *page) {
	if p.heap != nil {
		*p.heap = (*p.heap)[:0]
		b.heap.Put(p.heap)
		p.heap = nil
	}
}

// putPage takes nil too. Nothing may point into the page any more.
func (b *Buffers) putPage(p *page) {
	if p == nil {
		return
	}
	p.body = nil
	b.putHeap(p)
	if p.large != nil {
		p.large.Free()
		p.large = nil
	}
	b.room.release(&p.share)
	p.share = share{}
	b.pages.Put(p)
}

// work is what the reading of a page takes, and what comes of it.
type work struct {
	out    blocks
	reader reader
	size   int // of the page
}

// getWork returns memory for a page of that size, or about that. For a large one it waits for
// its turn, until ctx ends, which it reports as nil.
func (b *Buffers) getWork(ctx context.Context, size int, sinks []Sink) *work {
	var w *work
	if size <= ordinaryPage {
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
	w.prepare(sinks)
	return w
}

// prepare makes w ready for the blocks of a scrape.
func (w *work) prepare(sinks []Sink) {
	for len(w.out.sinks) < len(sinks) {
		w.out.sinks = append(w.out.sinks, blockWriter{})
	}
	w.out.sinks = w.out.sinks[:len(sinks)]
	w.out.reset()
	for i, sink := range sinks {
		own := &w.out.sinks[i]
		own.packer, _ = sink.(Packer)
		own.noExemplars, own.noHistograms = false, false
		if chooser, ok := sink.(Chooser); ok {
			exemplars, histograms := chooser.Takes()
			own.noExemplars, own.noHistograms = !exemplars, !histograms
		}
	}
}

func (b *Buffers) putWork(w *work) {
	w.reader.release()
	w.out.release()
	if w.size <= ordinaryPage {
		b.works.Put(w)
		return
	}
	w.reader.forget()
	if b.large = w; w.size > keptWork {
		b.large = nil
	}
	b.turn.Release(1)
}
