package loki

import (
	"context"
	"slices"
	"sync"
)

// room is the memory that batches may keep. Whoever asks first gets room first. A batch that is larger
// than all of the room gets it when there is no other.
type room struct {
	mu      sync.Mutex
	size    int64 // bytes
	used    int64 // bytes; more than size after a resize, and while a larger batch is alone
	waiting []*turn
}

// turn is somebody who waits for room.
type turn struct {
	bytes int64
	come  chan struct{} // closed when the room is theirs
}

func newRoom(size int64) *room { return &room{size: size} }

// acquire takes room for a number of bytes. It blocks while there is none, or until ctx ends, whose
// error it returns then.
func (r *room) acquire(ctx context.Context, bytes int64) error {
	r.mu.Lock()
	if len(r.waiting) == 0 && r.fits(bytes) {
		r.used += bytes
		r.mu.Unlock()
		return nil
	}
	t := &turn{bytes: bytes, come: make(chan struct{})}
	r.waiting = append(r.waiting, t)
	r.mu.Unlock()

	select {
	case <-t.come:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting, t)
	if i < 0 {
		return nil // its turn came at the same moment
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	r.admit() // there may be room for the one behind it
	return ctx.Err()
}

// release gives back room for a number of bytes.
func (r *room) release(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= bytes
	r.admit()
}

// resize sets how large the room is. What is in it stays, even if that is more.
func (r *room) resize(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size = size
	r.admit()
}

// fits reports whether there is room for a number of bytes. r.mu is held.
func (r *room) fits(bytes int64) bool { return r.used == 0 || r.used+bytes <= r.size }

// admit gives room to those who wait, as far as there is any. r.mu is held.
func (r *room) admit() {
	for len(r.waiting) > 0 && r.fits(r.waiting[0].bytes) {
		r.used += r.waiting[0].bytes
		close(r.waiting[0].come)
		r.waiting = slices.Delete(r.waiting, 0, 1)
	}
}
