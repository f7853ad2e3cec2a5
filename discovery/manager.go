// Package discovery finds what to collect from.
//
// A Manager runs sources, such as those of packages docker and static, each of which hands
// on the whole set of its targets whenever it changes. What is made of the sets, relabelling
// first of all, is the business of whoever gets them.
package discovery

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"lighter"
)

// Source finds targets.
type Source interface {
	// Run calls update with all targets there are, once it knows them and at each change,
	// from one goroutine at a time, until ctx ends, which it reports as nil. It makes no call
	// after it has returned, and does not change a set that it has handed on.
	Run(ctx context.Context, update func([]lighter.Target)) error
}

// Manager runs sources and hands on what each finds.
type Manager struct {
	sources map[string]Source // by name
	sync    func(source string, targets []lighter.Target)
}

// NewManager returns a Manager that calls sync with the name of a source and all its
// targets whenever they change. A source of which sync has heard nothing knows nothing yet;
// one without targets has handed on an empty set.
func NewManager(sources map[string]Source, sync func(source string, targets []lighter.Target)) *Manager {
	return &Manager{sources: sources, sync: sync}
}

// Run runs the sources until ctx ends, which it reports as nil, or until one fails, which
// ends the others. The calls of sync come one after another, and none after Run has returned.
func (m *Manager) Run(ctx context.Context) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for name, source := range m.sources {
		g.Go(func() error {
			err := source.Run(ctx, func(targets []lighter.Target) {
				mu.Lock()
				defer mu.Unlock()
				m.sync(name, targets)
			})
			if err != nil {
				return fmt.Errorf("discovery %q: %w", name, err)
			}
			return nil
		})
	}
	g.Go(func() error { // waits for the end also when there is no source
		<-ctx.Done()
		return nil
	})
	return g.Wait()
}
