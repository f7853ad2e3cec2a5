// Package tail is what reading a container's log takes, whatever it is read from.
//
// dockerlog and filelog find the bytes of a log and decode them; what follows is the same for both. Lines
// joins the pieces that the Engine cuts lines into. A Feed fills batches with lines, hands
// them to a lighter.Logs in the order of the log, moves the log's position when they are
// acknowledged, and reports a gap. Buffers are the memory that both read into: the
// lines of a batch point into the chunk that they were read into, which comes back once
// everybody is finished with it. State is what the status page shows.
//
// All but Buffers and State belong to the one goroutine that reads the log.
package tail

import (
	"errors"
	"log/slog"
	"time"

	"lighter"
	"lighter/collector/position"
)

// Options are what a tailer works with; it owns none of it. Buffers, Metrics and Logger are shared by all
// tailers of a process, Positions, KeyPrefix and Logs belong to the log's path, and Begin to the container.
type Options struct {
	Positions    *position.Store
	KeyPrefix    string       // with the container's id behind it, the key of its position
	Logs         lighter.Logs // takes the batches, in the order of the log
	Buffers      *Buffers
	Metrics      *Metrics
	Logger       *slog.Logger
	MaxLineBytes int           // a longer line is cut
	Begin        int64         // Unix nanoseconds: where a log begins that is seen for the first time
	Patience     time.Duration // how long there may be no room in Logs before that counts as waiting for room
	PieceBytes   int           // of the pieces of long lines; 0 is DefaultPieceBytes, tests make it small
}

// ErrStopped means that the container does not run and that its log is read to its end.
var ErrStopped = errors.New("the container has stopped and its log is read")

// The streams of a container's log, as a batch's Entry numbers them.
const (
	Stdout = 0
	Stderr = 1
)
