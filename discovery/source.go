// Package discovery defines sources of targets.
//
// The sources are in the packages below it, such as docker and static. The agent runs each source and
// decides how its targets are used.
package discovery

import (
	"context"

	"lighter"
)

// Source finds targets.
type Source interface {
	// Run finds targets until ctx ends, and then returns nil. It calls update with the complete set of
	// targets as soon as it knows them, and again whenever the set changes. A source that has not called
	// update does not know its targets yet; a source without targets calls it with an empty set. Calls of
	// update do not overlap, and there are none after Run has returned. Run does not change a set that it
	// has passed to update.
	Run(ctx context.Context, update func([]lighter.Target)) error
}
