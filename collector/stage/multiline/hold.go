package multiline

import (
	"context"
	"time"

	"lighter"
)

// holdBatch holds b, which was handed on while a group is open.
func (j *joiner) holdBatch(b *lighter.Batch) {
	b.Hold()
	j.held = append(j.held, b)
	j.heldBytes += b.Bytes
	j.metrics.held.Add(int64(b.Bytes))
	if len(b.Entries) == 0 {
		j.emptied += b.Bytes
	}
}

// adopt adds the memory of the held batches to b, which has the last of the lines held back and is about to be
// handed on: release keeps those batches alive until b is acknowledged. It leaves out batches that were handed
// on with entries, because the receiver of those entries counts them.
func (j *joiner) adopt(b *lighter.Batch) { b.Bytes += j.emptied }

// count stores the number of lines that are held back.
func (j *joiner) count() {
	lines := 0
	for i := range j.groups {
		if g := &j.groups[i]; g.open() {
			lines += g.lines + len(g.unsure)
		}
	}
	j.lines.Store(int64(lines))
}

// release arranges that all held batches are released once b is acknowledged, which has the last of the
// lines held back. The newest is released first, and each other one when the next newer is acknowledged. So
// the position moves past all of them at once, and never stops between two batches that contain lines of
// one entry.
func (j *joiner) release(b *lighter.Batch) {
	for i, older := range j.held {
		next := b
		if i+1 < len(j.held) {
			next = j.held[i+1]
		}
		next.After([]*lighter.Batch{older})
	}
	j.forget()
}

func (j *joiner) forget() {
	j.metrics.held.Add(-int64(j.heldBytes))
	clear(j.held)
	j.held, j.heldBytes, j.emptied = j.held[:0], 0, 0
}

// handOn hands on the open groups for which want returns true, in a batch of the stage's own. Their lines
// came in held batches. If it returns an error, which is that of ctx, nothing has changed.
func (j *joiner) handOn(ctx context.Context, want func(*group) bool) error {
	own := &lighter.Batch{Streams: j.streams}
	own.Begin(nil)
	defer own.Done()
	var gone []*group
	for i := range j.groups {
		g := &j.groups[i]
		if !g.open() || !want(g) {
			continue
		}
		gone = append(gone, g)
		own.Entries = append(own.Entries, g.entry(own))
		for k := range g.unsure {
			own.Entries = append(own.Entries, g.unsure[k].entry(own))
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if len(gone) == j.opened {
		j.adopt(own)
	}
	if err := j.append(ctx, own); err != nil {
		return err
	}
	for _, g := range gone {
		j.metrics.joined.Add(float64(g.lines - 1))
		g.close()
	}
	j.opened -= len(gone)
	j.count()
	if j.opened > 0 {
		j.held[0].Hold() // the position must wait for own, too
		own.After(j.held[:1])
		return nil
	}
	if j.log.Keep != nil {
		j.held[len(j.held)-1].SetState(j.log.Keep())
	}
	j.release(own)
	return nil
}

// wind schedules the closing of groups that get no more lines.
func (j *joiner) wind() {
	now := time.Now()
	var first time.Time
	for i := range j.groups {
		g := &j.groups[i]
		if !g.open() {
			continue
		}
		if g.due.IsZero() {
			g.due = now.Add(2 * j.Wait)
		}
		if first.IsZero() || g.due.Before(first) {
			first = g.due
		}
	}
	if j.timer == nil {
		j.timer = time.AfterFunc(first.Sub(now), j.expire)
		return
	}
	j.timer.Reset(first.Sub(now))
}

// expire hands on the groups that have received no more lines in time.
func (j *joiner) expire() {
	if j.take(j.dropped) != nil {
		return
	}
	defer j.give()
	if j.dropped.Err() != nil || j.opened == 0 {
		return
	}
	now := time.Now()
	if from := j.earliest(now); from.After(now) {
		for i := range j.groups {
			if g := &j.groups[i]; g.due.Before(from) {
				g.due = from
			}
		}
		j.wind()
		return
	}
	if j.handOn(j.dropped, func(g *group) bool { return !g.due.After(now) }) == nil && j.opened > 0 {
		j.wind()
	}
}

// earliest returns the earliest time at which the clock may close a group: only after the reader has been
// reading for as long as a line may take.
func (j *joiner) earliest(now time.Time) time.Time {
	if began := j.reading.Load(); began != nil {
		now = *began
	}
	return now.Add(2 * j.Wait)
}

// Pause implements stage.Clocked. It does not block, even if there is no room.
func (j *joiner) Pause() { j.reading.Store(nil) }

// Resume implements stage.Clocked. It does not block either.
func (j *joiner) Resume() {
	now := time.Now()
	j.reading.Store(&now)
}

// Release implements stage.Holder.
func (j *joiner) Release(ctx context.Context) error {
	if err := j.take(ctx); err != nil {
		return err
	}
	defer j.give()
	if j.opened == 0 {
		return nil
	}
	return j.handOn(ctx, func(*group) bool { return true })
}

// Held implements stage.Holder. A batch whose Append has failed does not count, but lines of earlier batches do
// although they cannot be handed on any more.
func (j *joiner) Held() int { return int(j.lines.Load()) }

// Drop implements stage.Holder.
func (j *joiner) Drop() {
	j.drop()
	j.turn <- struct{}{} // soon: the clock's goroutine gives up
	defer j.give()
	if j.timer != nil {
		j.timer.Stop()
	}
	j.closeAll()
	j.lines.Store(0)
	for _, b := range j.held {
		if b.Origin != nil {
			b.Origin.Rewind() // the oldest is rewound, which rewinds the others
		}
	}
	for _, b := range j.held {
		b.Done()
	}
	j.forget()
}
