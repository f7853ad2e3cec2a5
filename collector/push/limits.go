package push

import (
	"sync"
	"time"
)

const (
	// AckTimeout is how long a request waits for the acknowledgement of its entries. Senders such as
	// loki.write give up after 10 s; an endpoint whose backend hangs has entries on disk after 8 s.
	AckTimeout = 9 * time.Second

	// maxRequests are served at a time.
	maxRequests = 256
	// maxHeldBytes are kept of all requests together. A larger request is taken when it is the only one.
	maxHeldBytes = 64 << 20
	// batchBytes of lines and what they keep make a batch, and requests that are larger make several.
	batchBytes = 1 << 20

	readTimeout   = 30 * time.Second // for a whole request, as in Alloy
	idleTimeout   = 2 * time.Minute  // between two requests, likewise
	headerTimeout = 10 * time.Second
	maxHeader     = 64 << 10 // bytes

	// stopTimeout is how long requests may wait for their acknowledgement when the Server stops.
	stopTimeout = 2 * time.Second

	// What Retry-After says, in seconds.
	retryBusy = "1"
	retryFull = "5"
)

// room is the memory that requests may keep.
type room struct {
	mu   sync.Mutex
	used int64
}

// lease is the part of the room that one request keeps.
type lease struct {
	room *room
	n    int64
}

// grow adds n bytes to the lease. It reports whether there is room for them; a request that is alone has
// room for all that it may have.
func (l *lease) grow(n int64) bool {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	if l.room.used+n > maxHeldBytes && l.room.used != l.n {
		return false
	}
	l.room.used += n
	l.n += n
	return true
}

// shrinkTo gives back what is more than n bytes.
func (l *lease) shrinkTo(n int64) {
	if n >= l.n {
		return
	}
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	l.room.used -= l.n - n
	l.n = n
}
