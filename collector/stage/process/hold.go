package process

import (
	"context"
	"sync/atomic"
	"time"

	"lighter"
)

// holding is the stage of a log whose program holds entries back. It is a stage.Holder and stage.Clocked.
type holding struct {
	*runner

	// turn guards the fields below. Its capacity is one, and whoever has put a value into it may use them.
	// The clock's goroutine keeps the turn for as long as next has no room, so Append must be able to give
	// up.
	turn chan struct{}

	held      []*lighter.Batch // batches that the position must not pass, oldest first
	heldBytes int
	emptied   int          // bytes of the held batches that were handed on without entries, see adopt
	lines     atomic.Int64 // number of lines that are held back

	timer   *time.Timer               // calls expire; nil until needed
	reading atomic.Pointer[time.Time] // when the log's reader began to read; nil while it does not read
	dropped context.Context           // is cancelled by Drop
	drop    context.CancelFunc
}

// The held batches are bounded even if each batch ends inside an entry, for one log and for all logs
// together. At the bound, an entry may be torn.
const (
	maxHeldBytes   = 1 << 20
	maxHeldBatches = 256
	maxHeldByAll   = 8 << 20
)

func newHolding(r *runner) *holding {
	h := &holding{runner: r, turn: make(chan struct{}, 1)}
	h.dropped, h.drop = context.WithCancel(context.Background())
	h.Resume()
	return h
}

// lock waits until nobody else uses the stage.
func (h *holding) lock(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *holding) unlock() { <-h.turn }

// Append implements lighter.Logs.
func (h *holding) Append(ctx context.Context, b *lighter.Batch) error {
	if err := h.lock(ctx); err != nil {
		return err
	}
	defer h.unlock()
	h.straddle = false
	if err := h.process(ctx, b); err != nil {
		return err
	}
	if len(h.open) > 0 && h.full(b) {
		for len(h.open) > 0 && h.err == nil {
			h.finish(h.open[0], true)
		}
	}
	if h.err != nil {
		return h.err
	}
	if err := h.handOnEarlier(ctx); err != nil {
		return err
	}
	h.deliver()
	h.kept = nil
	if len(h.open) == 0 {
		h.adopt(b)
	}
	if err := h.append(ctx, b); err != nil {
		return err
	}
	switch {
	case len(h.open) > 0:
		h.holdBatch(b)
		h.keepClocks()
	case len(h.held) > 0:
		h.release(b)
	}
	h.count()
	h.wind()
	return nil
}

// holdBatch holds b, which was handed on while a group is open.
func (h *holding) holdBatch(b *lighter.Batch) {
	b.Hold()
	h.held = append(h.held, b)
	h.heldBytes += b.Bytes
	h.shared.metrics.held.Add(int64(b.Bytes))
	if len(b.Entries) == 0 {
		h.emptied += b.Bytes
	}
}

// adopt counts the memory of the held batches in b, which has the last of what they hold back and is about to be
// handed on: release keeps them alive until b is acknowledged. Batches that were handed on with entries are
// left out, because whoever took those entries counts them.
func (h *holding) adopt(b *lighter.Batch) {
	b.Bytes += h.emptied
	h.emptied = 0
}

// count notes how many lines are held back.
func (h *holding) count() {
	lines := 0
	for _, g := range h.open {
		lines += g.lines
	}
	h.lines.Store(int64(lines))
}

func (h *holding) full(b *lighter.Batch) bool {
	return h.heldBytes+b.Bytes > maxHeldBytes || len(h.held) == maxHeldBatches || h.shared.metrics.held.Load()+int64(b.Bytes) > maxHeldByAll
}

// append hands on b. No line can arrive while next has no room, so that time does not count as waiting.
func (h *holding) append(ctx context.Context, b *lighter.Batch) error {
	begun := time.Now()
	err := h.next.Append(ctx, b)
	blocked := time.Since(begun)
	for _, g := range h.groups {
		if !g.due.IsZero() {
			g.due = g.due.Add(blocked)
		}
	}
	return err
}

// handOnEarlier hands on the entries whose lines all came in held batches, and releases those batches if
// none of their lines is held back any more. If it returns an error, which is that of ctx, they stay held.
// h.batch is nil if all batches are held.
func (h *holding) handOnEarlier(ctx context.Context) error {
	if len(h.held) == 0 {
		return nil
	}
	left := h.straddle
	for _, g := range h.open {
		left = left || g.began < h.no || h.batch == nil
	}
	b := h.earlier
	switch {
	case b != nil:
		if !left {
			h.adopt(b)
		}
		b.Streams = h.listed()
		if err := h.append(ctx, b); err != nil {
			return err
		}
		h.earlier = nil
	case left:
		return nil
	default:
		b = &lighter.Batch{}
		b.Begin(nil)
	}
	defer b.Done()
	if left {
		h.held[0].Hold() // the position must wait for b, too
		b.After(h.held[:1])
		return nil
	}
	if h.log.Keep != nil {
		h.held[len(h.held)-1].SetState(h.log.Keep())
	}
	h.release(b)
	return nil
}

// release arranges that all held batches are released once b is acknowledged, which has the last of the
// lines held back. The newest is released first, and each other one when the next newer is acknowledged. So
// the position moves past all of them at once, and never stops between two batches that contain lines of
// one entry.
func (h *holding) release(b *lighter.Batch) {
	for i, older := range h.held {
		next := b
		if i+1 < len(h.held) {
			next = h.held[i+1]
		}
		next.After([]*lighter.Batch{older})
	}
	h.forget()
}

func (h *holding) forget() {
	h.shared.metrics.held.Add(-int64(h.heldBytes))
	clear(h.held)
	h.held, h.heldBytes, h.emptied = h.held[:0], 0, 0
	h.kept = nil
}

// wind schedules the finishing of groups that get no more lines.
func (h *holding) wind() {
	now := time.Now()
	var first time.Time
	for _, g := range h.groups {
		if g.wait == 0 {
			continue
		}
		if g.due.IsZero() {
			g.due = now.Add(g.wait)
		}
		if first.IsZero() || g.due.Before(first) {
			first = g.due
		}
	}
	switch {
	case first.IsZero():
	case h.timer == nil:
		h.timer = time.AfterFunc(first.Sub(now), h.expire)
	default:
		h.timer.Reset(first.Sub(now))
	}
}

// expire finishes the groups that have received no more lines in time.
func (h *holding) expire() {
	if h.lock(h.dropped) != nil {
		return
	}
	defer h.unlock()
	if h.dropped.Err() != nil {
		return
	}
	now := time.Now()
	h.postpone(now)
	if h.end(h.dropped, func(g *group) bool { return !g.due.IsZero() && !g.due.After(now) }) == nil {
		h.wind()
	}
}

// postpone makes sure that no group is finished before the reader has read for as long as its next line may
// take.
func (h *holding) postpone(now time.Time) {
	began := h.reading.Load()
	for _, g := range h.groups {
		from := now.Add(max(g.wait, pausedWait))
		if began != nil {
			from = began.Add(g.wait)
		}
		if !g.due.IsZero() && g.due.Before(from) {
			g.due = from
		}
	}
}

// pausedWait is the smallest interval at which the clock checks whether the reader reads again.
const pausedWait = time.Second

// Pause implements stage.Clocked. It does not block, even if there is no room.
func (h *holding) Pause() { h.reading.Store(nil) }

// Resume implements stage.Clocked. It does not block either.
func (h *holding) Resume() {
	now := time.Now()
	h.reading.Store(&now)
}

// end finishes and removes the groups for which want returns true.
func (h *holding) end(ctx context.Context, want func(*group) bool) error {
	h.ctx, h.err = ctx, nil
	h.straddle = false
	for {
		var next *group // of the first stage that has one, because a group of a later stage may receive what it finishes
		for _, g := range h.open {
			if want(g) && (next == nil || g.key.at < next.key.at) {
				next = g
			}
		}
		if next == nil {
			break
		}
		if h.finish(next, false); h.err != nil {
			return h.err
		}
	}
	for key, g := range h.groups {
		if g.lines == 0 && want(g) {
			delete(h.groups, key)
		}
	}
	if err := h.handOnEarlier(ctx); err != nil {
		return err
	}
	h.count()
	return nil
}

// Release implements stage.Holder.
func (h *holding) Release(ctx context.Context) error {
	if err := h.lock(ctx); err != nil {
		return err
	}
	defer h.unlock()
	return h.end(ctx, func(*group) bool { return true })
}

// Held implements stage.Holder. A batch whose Append has failed does not count, but lines of earlier batches do.
func (h *holding) Held() int { return int(h.lines.Load()) }

// Drop implements stage.Holder.
func (h *holding) Drop() {
	h.drop()
	h.turn <- struct{}{} // soon: the clock's goroutine gives up
	defer h.unlock()
	if h.timer != nil {
		h.timer.Stop()
	}
	h.open, h.earlier = nil, nil
	h.lines.Store(0)
	clear(h.groups)
	for _, b := range h.held {
		if b.Origin != nil {
			b.Origin.Rewind() // the oldest is rewound, which rewinds the others
		}
	}
	for _, b := range h.held {
		b.Done()
	}
	h.forget()
}
