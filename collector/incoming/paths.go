package incoming

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"lighter"
	"lighter/collector/stage"
)

// EntryBytes is how much memory an entry of a batch takes in addition to its line.
const EntryBytes = 40

// FieldBytes is how much memory a field of an entry takes in addition to its name and value.
const FieldBytes = 40

// Paths passes batches on to several Logs. Only one goroutine at a time may call its methods, because the
// stages after a Logs accept batches from only one goroutine.
type Paths []lighter.Logs

// HandOn passes a batch that nobody holds to each of the paths. It blocks while one of them has no room. If ctx
// ends first, it returns the error of ctx. When all paths have acknowledged the batch, acknowledged is
// called once, from any goroutine, with the number of entries that a backend has refused for good; after an
// error it is not called. Without any path the batch is acknowledged at once.
func (p Paths) HandOn(ctx context.Context, b *lighter.Batch, acknowledged func(refused int)) error {
	if len(p) == 0 {
		acknowledged(0)
		return nil
	}
	batches := make([]*lighter.Batch, len(p)) // a path may change its batch, so each gets its own
	batches[0] = b
	for i := 1; i < len(p); i++ {
		batches[i] = clone(b)
	}
	var waiting atomic.Int32
	waiting.Store(int32(len(p)))
	done := func() {
		if waiting.Add(-1) > 0 {
			return
		}
		refused := 0
		for _, one := range batches {
			refused = max(refused, one.Refused())
		}
		acknowledged(refused)
	}
	for i, logs := range p {
		batches[i].Begin(done)
		if err := logs.Append(ctx, batches[i]); err != nil {
			return err // without Done for this batch, waiting never becomes 0
		}
		batches[i].Done()
	}
	return nil
}

// Release passes on what stages of the paths hold back, because no more batches will come, or because a sender waits
// for the previous ones. It blocks while a path has no room. It returns only errors of ctx.
func (p Paths) Release(ctx context.Context) error {
	var errs []error
	for _, logs := range p {
		if h, ok := logs.(stage.Holder); ok {
			errs = append(errs, h.Release(ctx))
		}
	}
	return errors.Join(errs...)
}

// Held returns the largest number of lines that the stages of a path hold back. After an error of HandOn or Release
// these are the lines of earlier batches that were not passed on.
func (p Paths) Held() (lines int) {
	for _, logs := range p {
		if h, ok := logs.(stage.Holder); ok {
			lines = max(lines, h.Held())
		}
	}
	return lines
}

// clone returns a batch with the same entries. It shares the memory of the lines, which is never written.
func clone(b *lighter.Batch) *lighter.Batch {
	c := &lighter.Batch{Streams: slices.Clone(b.Streams), Entries: slices.Clone(b.Entries), Bytes: b.Bytes}
	for i := range c.Entries {
		if fields := b.Fields(&b.Entries[i]); len(fields) > 0 {
			c.Entries[i].Fields = 0
			c.SetFields(&c.Entries[i], slices.Clone(fields))
		}
	}
	return c
}
