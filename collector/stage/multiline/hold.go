package multiline

import (
	"context"
	"time"

	"lighter"
)

// count stores the number of lines that are held back.
func (j *joiner) count() {
	lines := 0
	for i := range j.groups {
		if g := &j.groups[i]; g.open() {
			lines += g.lines + len(g.unsure)
		}
	}
	j.SetLines(lines)
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
		j.Adopt(own)
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
		j.WaitFor(own)
		return nil
	}
	if j.log.Keep != nil {
		j.SetState(j.log.Keep())
	}
	j.LetGo(own)
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
	j.Wind(first.Sub(now), j.expire)
}

// expire hands on the groups that have received no more lines in time.
func (j *joiner) expire(ctx context.Context) {
	if j.opened == 0 {
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
	if j.handOn(ctx, func(g *group) bool { return !g.due.After(now) }) == nil && j.opened > 0 {
		j.wind()
	}
}

// earliest returns the earliest time at which the clock may close a group: only after the reader has been
// reading for as long as a line may take.
func (j *joiner) earliest(now time.Time) time.Time {
	if began := j.Reading(); began != nil {
		now = *began
	}
	return now.Add(2 * j.Wait)
}

// Release implements stage.Holder.
func (j *joiner) Release(ctx context.Context) error {
	if err := j.Lock(ctx); err != nil {
		return err
	}
	defer j.Unlock()
	if j.opened == 0 {
		return nil
	}
	return j.handOn(ctx, func(*group) bool { return true })
}

// Drop implements stage.Holder.
func (j *joiner) Drop() { j.DropHeld(j.closeAll) }
