package scrape

import (
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
