package scrape

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"testing"
)

func TestRoomForPages(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(128 << 20))
	b := NewBuffers()
	if b.limit != 32<<20 {
		t.Fatalf("room = %d, want a quarter of the memory", b.limit)
	}
	p := b.getPage()
	read := func() (err error) { // an endless page
		for err == nil {
			p.body = p.body[:cap(p.body)]
			err = b.grow(t.Context(), p, 0)
		}
		return err
	}
	if err := read(); !errors.Is(err, errNoRoom) || len(p.body) > 32<<20 || len(p.body) < 8<<20 {
		t.Errorf("err = %v at %d bytes", err, len(p.body))
	}
	if b.room.TryAcquire(1) {
		t.Error("there is room beside a page of unknown size")
	}
	b.putPage(p)
	if !b.room.TryAcquire(b.limit) {
		t.Error("the room is not given back")
	}
	b.room.Release(b.limit)

	p = b.getPage()
	if err := b.grow(t.Context(), p, 4<<20); err != nil || !b.room.TryAcquire(16<<20) {
		t.Errorf("a page of 4 MiB takes more than it needs: err = %v", err)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if NewBuffers().limit != roomyPages {
		t.Error("a process without a limit has another room")
	}
}

// TestTurns: large pages are read one after another, in the same memory, and others meanwhile.
func TestTurns(t *testing.T) {
	b := NewBuffers()
	w := b.getWork(t.Context(), freePage+1, make([]Sink, 2))
	w.out.sinks[1].buf = make([]byte, 0, 1000)
	if other := b.getWork(t.Context(), freePage, make([]Sink, 1)); other == nil || other == w {
		t.Error("an ordinary page has to wait for a large one")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if b.getWork(ended, freePage+1, make([]Sink, 1)) != nil {
		t.Error("two large pages are read at one time")
	}
	b.putWork(w)
	if again := b.getWork(t.Context(), keptPage+1, make([]Sink, 2)); again != w || cap(again.out.sinks[1].buf) != 1000 {
		t.Error("the second large page does not use the memory of the first")
	}
	b.putWork(w)
	if b.large != nil {
		t.Error("the memory of a page above the largest is kept")
	}
}
