package endpoint

import (
	"context"
	"time"
)

// Pace determines when a request that is not full is sent. The first item waits for others for Most, so
// that there is about one request in that time. An item that comes after a pause of at least Most waits
// only for Least.
type Pace struct{ Least, Most time.Duration }

// Wait returns the time until a request is due, which is not positive if one is due now. first is when the
// oldest item came, and last is when the last request was made.
func (p Pace) Wait(first, last time.Time) time.Duration {
	return min(time.Until(first.Add(p.Most)), max(time.Until(last.Add(p.Most)), time.Until(first.Add(p.Least))))
}

// Await waits until changed receives a value, or for d if d is positive. It returns false if ctx ends
// first.
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
