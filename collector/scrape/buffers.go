package scrape

import (
	"sync"

	"github.com/klauspost/compress/gzip"
)

// Buffers is memory that scrapes use one after another: that of the pages and blocks
// under way at one time, not of all targets. Make one a process; it is safe for
// concurrent use.
type Buffers struct {
	pages  sync.Pool // of *page
	blocks sync.Pool // of *blocks
}

// page is an answer's body, uncompressed.
type page struct {
	body        []byte
	contentType string
	gzip        gzip.Reader // its window is too large to be made for each scrape
}

func (b *Buffers) getPage(size int) *page {
	p, _ := b.pages.Get().(*page)
	if p == nil {
		p = &page{}
	}
	if cap(p.body) < size {
		p.body = make([]byte, 0, size)
	}
	p.body = p.body[:0]
	return p
}

// putPage takes nil too.
func (b *Buffers) putPage(p *page) {
	if p != nil {
		b.pages.Put(p)
	}
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
