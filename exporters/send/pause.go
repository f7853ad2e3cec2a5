package send

import (
	"context"
	"sync"
	"time"
)

// pause is a time until which nothing is sent to an endpoint, because it requested that with Retry-After.
// The zero value is no pause.
type pause struct {
	mu    sync.Mutex
	until time.Time
}

// extend makes the pause last for d from now, unless it already lasts longer.
func (p *pause) extend(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
	}
}

// wait waits until the pause is over. It returns false if ctx ends first.
func (p *pause) wait(ctx context.Context) bool {
	for {
		p.mu.Lock()
		d := time.Until(p.until)
		p.mu.Unlock()
		if d <= 0 {
			return ctx.Err() == nil
		}
		if !Pause(ctx, d) {
			return false
		}
	}
}
