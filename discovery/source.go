// Package discovery says what a source of targets is.
//
// The sources are in the packages below it, such as docker and static. The agent runs each of them
// and decides what becomes of its targets.
package discovery

import (
	"context"

	"lighter"
)

// Source finds targets.
type Source interface {
	// Run finds targets until ctx ends, which it reports as nil. It calls update with the whole
	// set of targets as soon as it knows them, and again whenever the set changes. A source that
	// has not called update knows nothing yet; one that finds no targets calls it with an empty
	// set. Calls of update do not overlap, and there is none after Run has returned. Run does not
	// change a set that it has passed to update.
	Run(ctx context.Context, update func([]lighter.Target)) error
}
