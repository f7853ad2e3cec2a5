package scrape

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// TestRoomForPages: a page grows in place to all the room there is, takes exactly as much as it reports,
// and gives it back.
func TestRoomForPages(t *testing.T) {
	const limit = 8 << 20
	b := NewBuffers(limit)
	p := b.getPage(nil)
	moved := 0
	for {
		before := p.body
		err := b.grow(t.Context(), p, 0, 0)
		if errors.Is(err, errTooLarge) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(before) > 0 && &before[0] != &p.body[0] {
			moved++
		}
		if !bytes.Equal(before, p.body) {
			t.Fatal("the page has changed while it grew")
		}
		for !p.full() {
			p.body = append(p.body, byte(len(p.body)))
		}
		if p.share.held != b.room.used || b.room.used > limit || int64(len(p.body)) > p.share.held+spare {
			t.Fatalf("%d bytes of a page hold %d, and %d are in use", len(p.body), p.share.held, b.room.used)
		}
	}
	if len(p.body) < limit || b.room.used != limit {
		t.Errorf("there was no room at %d bytes, with %d in use", len(p.body), b.room.used)
	}
	if moved > 10 {
		t.Errorf("the page was copied %d times", moved)
	}
	b.putPage(p)
	if b.room.used != 0 || len(b.room.holders) != 0 {
		t.Error("the room is not given back")
	}
}

// TestTurns: large pages are processed one after another, in the same memory, while other pages are not
// delayed.
func TestTurns(t *testing.T) {
	b := NewBuffers(PageMemory)
	w := b.getWork(t.Context(), ordinaryPage+1, make([]Sink, 2))
	w.out.sinks[1].buf = make([]byte, 0, 1000)
	if other := b.getWork(t.Context(), ordinaryPage, make([]Sink, 1)); other == nil || other == w {
		t.Error("an ordinary page has to wait for a large one")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if b.getWork(ended, ordinaryPage+1, make([]Sink, 1)) != nil {
		t.Error("two large pages are read at one time")
	}
	b.putWork(w)
	if again := b.getWork(t.Context(), keptWork+1, make([]Sink, 2)); again != w || cap(again.out.sinks[1].buf) != 1000 {
		t.Error("the second large page does not use the memory of the first")
	}
	b.putWork(w)
	if b.large != nil {
		t.Error("the memory of a page above the largest is kept")
	}
}
