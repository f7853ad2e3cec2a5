package endpoint

import (
	"context"
	"time"
)

// Pace says when a request that is not full is sent. The first item waits for others for Most, so that
// there is about one request in that time. An item that comes after a pause as long as Most waits for
// Least only.
type Pace struct{ Least, Most time.Duration }

// Wait returns how long it is until a request is due; it is due if that is not above zero. first is when
// the oldest item came, and last is when the last request was made.
func (p Pace) Wait(first, last time.Time) time.Duration {
	return min(time.Until(first.Add(p.Most)), max(time.Until(last.Add(p.Most)), time.Until(first.Add(p.Least))))
}

// Await returns when there is a value in changed, or after d if d is above zero, or when ctx has ended,
// which it reports as false.
func Await(ctx context.Context, changed <-chan struct{}, d time.Duration) bool {
	var after <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-changed:
	case <-after:
	case <-ctx.Done():
		return false
	}
	return true
}
