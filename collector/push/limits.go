package push

import (
	"sync"
	"time"
)

const (
	// AckTimeout is how long a request waits for the acknowledgement of its entries. It lies between two times:
	// an endpoint whose backend hangs has written entries to disk after 8 s, and senders such as loki.write
	// give up after 10 s.
	AckTimeout = 9 * time.Second

	// maxRequests is how many requests are served at a time.
	maxRequests = 256
	// maxHeldBytes is how much memory all requests together may take. A request that is alone may take more, unless
	// the process's memory is limited: then it may take half of that, and at least maxHeldBytes.
	maxHeldBytes = 64 << 20
	// batchBytes is how large a batch becomes, its lines and their entries counted. A larger request is divided
	// into several batches.
	batchBytes = 1 << 20

	readTimeout   = 30 * time.Second // for a whole request, as in Alloy
	idleTimeout   = 2 * time.Minute  // between two requests, likewise
	headerTimeout = 10 * time.Second
	maxHeader     = 64 << 10 // bytes

	// stopTimeout is how long requests may go on waiting for their acknowledgement when the Server stops.
	stopTimeout = 2 * time.Second

	// The values of the Retry-After header, in seconds.
	retryBusy = "1" // with 429
	retryFull = "5" // with 503
)

// room counts the memory that all requests take, which is bounded by maxHeldBytes.
type room struct {
	mu    sync.Mutex
	used  int64
	alone int64 // what a request that is alone may take; 0 means any amount
}

// lease is the part of the room that one request takes.
type lease struct {
	room *room
	n    int64
}

// grow adds n bytes to the lease. It returns errBusy if other requests take the room, and errNoMemory if a request may
// not take as much.
func (l *lease) grow(n int64) error {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	if l.room.alone > 0 && l.n+n > l.room.alone {
		return errNoMemory
	}
	if l.room.used+n > maxHeldBytes && l.room.used != l.n {
		return errBusy
	}
	l.room.used += n
	l.n += n
	return nil
}

// shrinkTo gives back what the lease has beyond n bytes.
func (l *lease) shrinkTo(n int64) {
	if n >= l.n {
		return
	}
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	l.room.used -= l.n - n
	l.n = n
}
