package lighter

import "errors"

// What errors of several packages wrap.
var (
	// ErrGone means that a container or a target does not exist any more. It is also the cause
	// (context.Cause) with which the reader of one ends whose discovery does not find it any more,
	// and not because the agent stops.
	ErrGone = errors.New("it is gone")
	// ErrUnreadable means that the log driver of a container keeps nothing that could be read, now or
	// later.
	ErrUnreadable = errors.New("the log driver keeps nothing that could be read")
)
