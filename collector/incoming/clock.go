package incoming

import (
	"sync/atomic"
	"time"
)

// Clock tells the time in Unix nanoseconds, and never the same time twice: of entries of a stream with the same
// time and line Loki keeps one. Its zero value is ready for use, from any goroutine.
type Clock struct {
	last atomic.Int64
}

// Next returns the time now, or a little later if that was given before.
func (c *Clock) Next() int64 {
	for {
		last := c.last.Load()
		next := max(time.Now().UnixNano(), last+1)
		if c.last.CompareAndSwap(last, next) {
			return next
		}
	}
}
