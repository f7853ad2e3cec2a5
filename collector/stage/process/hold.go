package process

import (
	"context"
	"time"

	"lighter"
	"lighter/collector/stage"
)

// holding is the stage of a log whose program holds entries back. It is a stage.Holder and stage.Clocked.
type holding struct {
	*runner
	*stage.HeldBatches
}

func newHolding(r *runner) *holding {
	return &holding{r, stage.NewHeldBatches(&r.shared.metrics.held)}
}

// Append implements lighter.Logs.
func (h *holding) Append(ctx context.Context, b *lighter.Batch) error {
	if err := h.Lock(ctx); err != nil {
		return err
	}
	defer h.Unlock()
	h.straddle = false
	if err := h.process(ctx, b); err != nil {
		return err
	}
	if len(h.open) > 0 && h.Full(b) {
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
		h.Adopt(b)
	}
	if err := h.append(ctx, b); err != nil {
		return err
	}
	switch {
	case len(h.open) > 0:
		h.HoldBatch(b)
		h.keepClocks()
	case h.Holds():
		h.LetGo(b)
	}
	h.count()
	h.wind()
	return nil
}

// count stores the number of lines that are held back.
func (h *holding) count() {
	lines := 0
	for _, g := range h.open {
		lines += g.lines
	}
	h.SetLines(lines)
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
	if !h.Holds() {
		return nil
	}
	left := h.straddle
	for _, g := range h.open {
		left = left || g.began < h.no || h.batch == nil
	}
	b := h.earlier
	switch {
	case b != nil:
		size := b.Bytes
		if !left {
			h.Adopt(b)
		}
		b.Streams = h.listed()
		if err := h.append(ctx, b); err != nil {
			b.Bytes = size // b adopts again when it is appended again
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
		h.WaitFor(b)
		return nil
	}
	if h.log.Keep != nil {
		h.SetState(h.log.Keep())
	}
	h.LetGo(b)
	h.kept = nil
	return nil
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
	if !first.IsZero() {
		h.Wind(first.Sub(now), h.expire)
	}
}

// expire finishes the groups that have received no more lines in time.
func (h *holding) expire(ctx context.Context) {
	now := time.Now()
	h.postpone(now)
	if h.end(ctx, func(g *group) bool { return !g.due.IsZero() && !g.due.After(now) }) == nil {
		h.wind()
	}
}

// postpone makes sure that no group is finished before the reader has read for as long as its next line may
// take.
func (h *holding) postpone(now time.Time) {
	began := h.Reading()
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
	if err := h.Lock(ctx); err != nil {
		return err
	}
	defer h.Unlock()
	return h.end(ctx, func(*group) bool { return true })
}

// Drop implements stage.Holder.
func (h *holding) Drop() {
	h.DropHeld(func() {
		h.open, h.earlier, h.kept = nil, nil, nil
		clear(h.groups)
	})
}
