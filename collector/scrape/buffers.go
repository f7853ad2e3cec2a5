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

// Buffers holds memory that scrapes reuse. Its size depends on the pages and blocks that are under way at
// one time, not on the number of targets. A process needs one, from NewBuffers; it is safe for concurrent
// use.
type Buffers struct {
	pages sync.Pool // holds *page, without bodies
	heap  sync.Pool // holds *[]byte, for ordinary pages
	works sync.Pool // holds *work, for ordinary pages
	room  room      // shared by all bodies

	unseen *semaphore.Weighted // limits the targets that are scraped for the first time
	turn   *semaphore.Weighted // allows one large page at a time
	large  *work               // memory for the next large page, owned by whoever has the turn; nil if there is none to reuse
}

const (
	// PageMemory is how many uncompressed bytes all pages that are being read at one time may take
	// together. It holds one page of the largest size that the default configuration allows (DefaultConfig,
	// BodyLimit).
	PageMemory = 64 << 20

	// ordinaryPage is the size up to which a page is kept in reused memory of Go's heap and is read without
	// waiting for a turn. Nearly all pages are smaller. Larger pages use memory outside the heap (package
	// offheap).
	ordinaryPage = 1 << 20
	// keptWork is the largest page whose working memory is kept for the next large page.
	keptWork = 8 << 20
	// unseenPages is how many targets may be scraped for the first time at once. The size of such a page is
	// unknown and may be large, and all targets are new when the agent starts.
	unseenPages = 4
	// unseenPatience is how long a new target waits for its turn before it is scraped anyway: the targets
	// ahead of it may be slow, or never respond.
	unseenPatience = 5 * time.Second
	// spare is the memory behind the bytes of a large page. Reading needs it to find the end of the page,
	// and the parser writes a newline there.
	spare = 4096
)

// NewBuffers returns Buffers for pages that take no more than limit bytes at one time: PageMemory, or less
// in a process that has little memory. Large pages are read from the network concurrently, but processed
// one at a time, because processing takes more memory than the page itself.
func NewBuffers(limit int64) *Buffers {
	return &Buffers{room: room{size: limit}, unseen: semaphore.NewWeighted(unseenPages), turn: semaphore.NewWeighted(1)}
}

// page is the body of a response, uncompressed.
type page struct {
	body        []byte // in heap or in large
	contentType string
	gzip        gzip.Reader // kept because its window is too large to allocate for each scrape

	share share           // its share of Buffers.room
	heap  *[]byte         // from Buffers.heap, or nil
	large *offheap.Memory // holds the body of a large page; nil if the page is small
}

// takeUnseen waits for a turn to scrape a target for the first time. The caller gives the turn back with
// giveBack.
func (b *Buffers) takeUnseen(ctx context.Context) (giveBack func()) {
	ctx, cancel := context.WithTimeout(ctx, unseenPatience)
	defer cancel()
	if b.unseen.Acquire(ctx, 1) != nil {
		return func() {}
	}
	return func() { b.unseen.Release(1) }
}

// getPage returns an empty page that holds no room yet. giveWay cancels the reading of the page.
func (b *Buffers) getPage(giveWay context.CancelCauseFunc) *page {
	p, _ := b.pages.Get().(*page)
	if p == nil {
		p = &page{}
	}
	p.share = share{giveWay: giveWay}
	return p
}

// full reports whether p must grow before more can be read into it. One byte stays free for the parser.
func (p *page) full() bool { return cap(p.body)-len(p.body) < 2 }

// free returns the memory that the next bytes of p are read into.
func (p *page) free() []byte { return p.body[len(p.body) : cap(p.body)-1] }

// grow makes room in p for at least one more byte, and for size bytes in all if that many are expected. It
// waits for room until ctx ends, and then returns the cause. After patience, other pages give way to p. It
// returns errTooLarge if there can never be enough room.
//
// A page whose size is known from the last scrape takes all its room at once. When several pages do not fit
// together, each is then read as soon as enough others are complete.
func (b *Buffers) grow(ctx context.Context, p *page, size int, patience time.Duration) error {
	if need := len(p.body) + 2; size < need { // the size is unknown
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

// growLarge is grow for a page that is large or becomes large.
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

// putPage returns p, which may be nil, to the buffers. Nothing may point into the page any more.
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

// work is the memory that processing a page needs, and what the processing produces.
type work struct {
	out    blocks
	reader reader
	size   int // the size of the page
}

// getWork returns memory for processing a page of about that size. For a large page it waits for its turn;
// it returns nil if ctx ends first.
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
