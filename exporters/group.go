// Package exporters delivers what was collected: batches of log entries to Loki
// endpoints, and blocks of samples to remote-write endpoints.
//
// A LogGroup is the one place that bounds what log entries may take in memory between
// being read and being acknowledged. Its endpoints, like those for samples, run side by
// side; one that fails delays no other, but for the memory that they share.
package exporters

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"lighter"
)

// LogEndpoint takes batches for one backend.
type LogEndpoint interface {
	// Append takes b without blocking, and calls b.Release once it is finished with it.
	Append(b *lighter.Batch)
	// Run delivers until ctx ends, and then for a while what is left.
	Run(ctx context.Context) error
}

// LogGroup hands every batch to all of its endpoints. Append is safe for concurrent use.
type LogGroup struct {
	endpoints []LogEndpoint
	memory    *semaphore.Weighted
	limit     int64
}

// NewLogGroup returns a group of at least one endpoint that keeps at most limitBytes of
// batches at a time.
func NewLogGroup(limitBytes int64, endpoints ...LogEndpoint) *LogGroup {
	return &LogGroup{endpoints: endpoints, memory: semaphore.NewWeighted(limitBytes), limit: limitBytes}
}

// Append takes b for all endpoints. It blocks while there is no room, first come, first
// served, or until ctx ends, whose error it returns then. When all endpoints are
// finished with b it calls acked, from any goroutine.
func (g *LogGroup) Append(ctx context.Context, b *lighter.Batch, acked func()) error {
	n := min(int64(b.Bytes), g.limit) // a batch larger than the limit goes alone
	if err := g.memory.Acquire(ctx, n); err != nil {
		return fmt.Errorf("wait for room for %d bytes of log lines: %w", b.Bytes, err)
	}
	b.Retain(len(g.endpoints), func() {
		acked()
		g.memory.Release(n)
	})
	for _, e := range g.endpoints {
		e.Append(b)
	}
	return nil
}

// Run runs all endpoints until ctx ends and they have flushed what they could.
func (g *LogGroup) Run(ctx context.Context) error {
	var all errgroup.Group
	for _, e := range g.endpoints {
		all.Go(func() error { return e.Run(ctx) })
	}
	return all.Wait()
}
