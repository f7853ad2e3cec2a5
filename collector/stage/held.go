package stage

import (
	"context"
	"sync/atomic"
	"time"

	"lighter"
)

// HeldBatches are the batches that the position must not pass while a stage holds lines of them back, with the
// stage's lock and its clock. Together with the stage's own Append and Release they make a Clocked: Drop of the stage
// calls DropHeld. The methods that change the batches or the clock are for whoever has the lock; DropHeld takes it.
type HeldBatches struct {
	turn chan struct{} // its capacity is one, and whoever has put a value into it has the lock

	batches []*lighter.Batch // oldest first
	bytes   int
	emptied int           // bytes of the batches that were handed on without entries, see Adopt
	all     *atomic.Int64 // bytes that are held for all logs
	lines   atomic.Int64  // number of lines that are held back

	timer   *time.Timer               // nil until needed
	reading atomic.Pointer[time.Time] // when the log's reader began to read; nil while it does not read
	dropped context.Context           // is cancelled by DropHeld
	drop    context.CancelFunc
}

// The held batches are bounded even if each batch ends inside an entry, for one log and for all logs together. At the
// bound, an entry may be torn.
const (
	maxHeldBytes   = 1 << 20
	maxHeldBatches = 256
	maxHeldByAll   = 8 << 20
)

// NewHeldBatches returns a HeldBatches that holds none. all counts the bytes that are held for all logs.
func NewHeldBatches(all *atomic.Int64) *HeldBatches {
	h := &HeldBatches{turn: make(chan struct{}, 1), all: all}
	h.dropped, h.drop = context.WithCancel(context.Background())
	h.Resume()
	return h
}

// Lock waits until nobody else uses the stage. The clock's goroutine keeps the lock for as long as the next stage has
// no room, so others must be able to give up.
func (h *HeldBatches) Lock(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unlock releases the lock.
func (h *HeldBatches) Unlock() { <-h.turn }

// Full reports whether holding b would exceed a bound.
func (h *HeldBatches) Full(b *lighter.Batch) bool {
	return h.bytes+b.Bytes > maxHeldBytes || len(h.batches) == maxHeldBatches || h.all.Load()+int64(b.Bytes) > maxHeldByAll
}

// Holds reports whether batches are held.
func (h *HeldBatches) Holds() bool { return len(h.batches) > 0 }

// HoldBatch holds b, which was handed on while lines of it are held back.
func (h *HeldBatches) HoldBatch(b *lighter.Batch) {
	b.Hold()
	h.batches = append(h.batches, b)
	h.bytes += b.Bytes
	h.all.Add(int64(b.Bytes))
	if len(b.Entries) == 0 {
		h.emptied += b.Bytes
	}
}

// Adopt adds the memory of the held batches to b, which has the last of the lines held back and is about to be handed
// on: LetGo keeps those batches alive until b is acknowledged. It leaves out batches that were handed on with entries,
// because the receiver of those entries counts them.
func (h *HeldBatches) Adopt(b *lighter.Batch) { b.Bytes += h.emptied }

// WaitFor makes the position wait for b, too, which was handed on while other lines are still held back.
func (h *HeldBatches) WaitFor(b *lighter.Batch) {
	h.batches[0].Hold()
	b.After(h.batches[:1])
}

// SetState sets the state of the newest held batch.
func (h *HeldBatches) SetState(state []byte) { h.batches[len(h.batches)-1].SetState(state) }

// LetGo arranges that all held batches are released once b is acknowledged, which has the last of the lines held back.
// The newest is released first, and each other one when the next newer is acknowledged. So the position moves past all
// of them at once, and never stops between two batches that contain lines of one entry.
func (h *HeldBatches) LetGo(b *lighter.Batch) {
	for i, older := range h.batches {
		next := b
		if i+1 < len(h.batches) {
			next = h.batches[i+1]
		}
		next.After([]*lighter.Batch{older})
	}
	h.forget()
}

func (h *HeldBatches) forget() {
	h.all.Add(-int64(h.bytes))
	clear(h.batches)
	h.batches, h.bytes, h.emptied = h.batches[:0], 0, 0
}

// SetLines sets the number that Held returns.
func (h *HeldBatches) SetLines(n int) { h.lines.Store(int64(n)) }

// Held implements Holder. A batch whose Append has failed does not count, but lines of earlier batches do although
// they cannot be handed on any more.
func (h *HeldBatches) Held() int { return int(h.lines.Load()) }

// Pause implements Clocked. It does not block, even if there is no room.
func (h *HeldBatches) Pause() { h.reading.Store(nil) }

// Resume implements Clocked. It does not block either.
func (h *HeldBatches) Resume() {
	now := time.Now()
	h.reading.Store(&now)
}

// Reading returns when the log's reader began to read, or nil while it does not read.
func (h *HeldBatches) Reading() *time.Time { return h.reading.Load() }

// Wind makes the clock call expire after d instead of at the time of an earlier Wind. expire, which is the same
// function each time, is called with the lock and with a context that DropHeld cancels.
func (h *HeldBatches) Wind(d time.Duration, expire func(ctx context.Context)) {
	if h.timer != nil {
		h.timer.Reset(d)
		return
	}
	h.timer = time.AfterFunc(d, func() {
		if h.Lock(h.dropped) != nil {
			return
		}
		defer h.Unlock()
		if h.dropped.Err() == nil {
			expire(h.dropped)
		}
	})
}

// DropHeld stops the clock, calls discard with the lock to discard the lines held back, and has the held batches read
// again.
func (h *HeldBatches) DropHeld(discard func()) {
	h.drop()
	h.turn <- struct{}{} // soon: the clock's goroutine gives up
	defer h.Unlock()
	if h.timer != nil {
		h.timer.Stop()
	}
	discard()
	h.SetLines(0)
	for _, b := range h.batches {
		if b.Origin != nil {
			b.Origin.Rewind() // the oldest is rewound, which rewinds the others
		}
	}
	for _, b := range h.batches {
		b.Done()
	}
	h.forget()
}
