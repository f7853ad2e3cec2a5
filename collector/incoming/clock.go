package incoming

import (
	"sync/atomic"
	"time"
)

// Clock tells the time in Unix nanoseconds, and never the same time twice, because Loki keeps only one of several
// entries that have the same stream, time and line. The zero value is ready for use. A Clock is safe for concurrent
// use.
type Clock struct {
	last atomic.Int64
}

// Next returns the current time, or a slightly later one if the current time was returned before.
func (c *Clock) Next() int64 {
	for {
		last := c.last.Load()
		next := max(time.Now().UnixNano(), last+1)
		if c.last.CompareAndSwap(last, next) {
			return next
		}
	}
}
