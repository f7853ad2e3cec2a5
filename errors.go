package lighter

import "errors"

// Errors that several packages wrap.
var (
	// ErrGone means that a container or a target no longer exists. It is also the cause (context.Cause)
	// with which a reader ends because discovery no longer finds its container or target, and not because
	// the agent stops.
	ErrGone = errors.New("it is gone")
	// ErrUnreadable means that the log driver of a container keeps no readable log, now or later.
	ErrUnreadable = errors.New("the log driver keeps nothing that could be read")
)
