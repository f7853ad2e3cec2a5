// Package tail provides what all readers of a container's log need, wherever they read it from.
//
// dockerlog and filelog find and decode the bytes of a log; this package does the rest. Lines joins the
// pieces into which the Engine cuts lines. A Feed fills batches with lines, hands them to a lighter.Logs in
// the order of the log, moves the log's position when they are acknowledged, and reports a gap. Buffers
// provides the memory that both read into: the lines of a batch point into the chunk that they were read
// into, which returns to the pool once nobody uses it any more. State is what the status page shows.
//
// Everything except Buffers and State must be used only by the goroutine that reads the log.
package tail

import (
	"errors"
	"log/slog"
	"time"

	"lighter"
	"lighter/collector/position"
)

// Options are the dependencies and settings of a tailer, which owns none of them. All tailers of a process
// share Buffers, Metrics and Logger. Positions, KeyPrefix and Logs belong to the log's path, and Begin to
// the container.
type Options struct {
	Positions    *position.Store
	KeyPrefix    string       // followed by the container's ID it is the key of the log's position
	Logs         lighter.Logs // receives the batches, in the order of the log
	Buffers      *Buffers
	Metrics      *Metrics
	Logger       *slog.Logger
	MaxLineBytes int           // longer lines are cut
	Begin        int64         // Unix nanoseconds: where a new log begins
	Patience     time.Duration // how long Logs may have no room before the tailer counts as waiting for room
	PieceBytes   int           // size of the pieces of long lines; 0 means DefaultPieceBytes; tests make it small
}

// ErrStopped means that the container is not running and its log has been read completely.
var ErrStopped = errors.New("the container has stopped and its log is read")

// The streams of a container's log, as the Stream of a batch's Entry.
const (
	Stdout = 0
	Stderr = 1
)
