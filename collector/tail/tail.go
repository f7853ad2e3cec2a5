// Package tail is what reading a container's log takes, whatever it is read from.
//
// dockerlog and filelog find bytes and decode them; from then on a log is the same. Lines
// joins the pieces that the Engine cuts lines into. A Feed fills batches with lines, hands
// them to a Sink in the order of the log, moves the log's position when they are
// acknowledged, and reports a gap. Buffers are the memory that both read into: a
// batch's lines point into the chunk that they were read into, which comes back once
// everybody is finished with it. State is what the status page shows.
//
// All but Buffers and State belong to the one goroutine that reads the log.
package tail

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"lighter"
	"lighter/collector/position"
)

// Sink takes batches for delivery.
type Sink interface {
	// Append blocks while there is no room, or until ctx ends, whose error it returns then. It
	// owns b once it has returned nil, and calls acked once, from any goroutine, when
	// every endpoint is finished with the batch.
	Append(ctx context.Context, b *lighter.Batch, acked func()) error
}

// Options are what all tailers of a process share; none of it is owned.
type Options struct {
	Positions    *position.Store
	Sink         Sink
	Buffers      *Buffers
	Metrics      *Metrics
	Logger       *slog.Logger
	MaxLineBytes int           // a longer line is cut
	Begin        int64         // Unix nanoseconds: where a log begins that is seen for the first time
	Patience     time.Duration // how long a Sink may be full before that counts as waiting for room
}

// Why reading a log ended by itself.
var (
	// ErrStopped says that the container does not run and that its log is read to its end.
	ErrStopped = errors.New("the container has stopped and its log is read")
	// ErrGone says that the container exists no more.
	ErrGone = errors.New("the container is gone")
)

// The streams of a container's log, as a batch's Entry numbers them.
const (
	Stdout = 0
	Stderr = 1
)
