// Package stage is what log entries pass through between their source and an endpoint.
//
// A stage is a lighter.Logs that hands on, to the next one, what it makes of each batch. It may
// change entries, as long as it holds the batch, and keep what it makes of them in the batch's own
// memory. It may hold a batch back: the position of the log does not move past a batch that
// somebody holds. A stage gets each batch once: when Append returns an error, the reader ends, and no
// more batches come. Each reader of a log has stages of its own, so a stage's state is that of one log.
package stage

import (
	"context"

	"lighter"
)

// Maker makes a stage that hands on to next.
type Maker func(next lighter.Logs) lighter.Logs

// Chain returns what hands batches to the stages, in their order, and then to end. Without a stage
// that is end itself.
func Chain(end lighter.Logs, makers ...Maker) lighter.Logs {
	for i := len(makers) - 1; i >= 0; i-- {
		end = makers[i](end)
	}
	return end
}

// PassThrough makes a stage that changes nothing.
func PassThrough(next lighter.Logs) lighter.Logs { return passThrough{next} }

type passThrough struct{ next lighter.Logs }

func (s passThrough) Append(ctx context.Context, b *lighter.Batch) error {
	return s.next.Append(ctx, b)
}
