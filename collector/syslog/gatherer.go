package syslog

import (
	"context"
	"sync"
	"time"

	"lighter"
	"lighter/collector/incoming"
)

const (
	// A batch is handed on when it has batchBytes, or when gatherTime has passed since its first entry.
	batchBytes = 256 << 10
	gatherTime = 100 * time.Millisecond
)

// gatherer collects the entries of all connections in batches and hands these on, one after the other. While a
// batch is being handed on, the next one fills. Once that is full, add waits.
type gatherer struct {
	paths incoming.Paths

	mu    sync.Mutex
	batch *lighter.Batch
	index map[*lighter.Stream]int32 // in the batch's Streams
	room  chan struct{}             // closed when the batch is taken
	left  int                       // messages that could not be handed on

	first, full chan struct{} // capacity 1: the batch has its first entry; it is full
	closed      chan struct{}
}

func newGatherer(logs []lighter.Logs) *gatherer {
	g := &gatherer{paths: logs, first: make(chan struct{}, 1), full: make(chan struct{}, 1), closed: make(chan struct{})}
	g.begin()
	return g
}

// begin begins a new batch. The caller holds mu, unless nobody else knows g yet.
func (g *gatherer) begin() {
	g.batch, g.index, g.room = &lighter.Batch{}, map[*lighter.Stream]int32{}, make(chan struct{})
}

// add adds an entry. The caller does not change line afterwards. add waits until there is room; if ctx ends before,
// it returns the error of ctx.
func (g *gatherer) add(ctx context.Context, stream *lighter.Stream, at int64, line []byte) error {
	g.mu.Lock()
	for g.batch.Bytes >= batchBytes {
		room := g.room
		g.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
		g.mu.Lock()
	}
	defer g.mu.Unlock()
	b := g.batch
	n, ok := g.index[stream]
	if !ok {
		n = int32(len(b.Streams))
		b.Streams = append(b.Streams, stream)
		g.index[stream] = n
	}
	b.Entries = append(b.Entries, lighter.Entry{Time: at, Line: line, Stream: n})
	b.Bytes += len(line) + incoming.EntryBytes
	if len(b.Entries) == 1 {
		signal(g.first)
	}
	if b.Bytes >= batchBytes {
		signal(g.full)
	}
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take returns the batch and begins a new one.
func (g *gatherer) take() *lighter.Batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.batch
	close(g.room)
	g.begin()
	select { // the signals are about the batch that is taken
	case <-g.first:
	default:
	}
	select {
	case <-g.full:
	default:
	}
	return b
}

// close tells run that no more entries will be added.
func (g *gatherer) close() { close(g.closed) }

// lost returns how many messages could not be handed on.
func (g *gatherer) lost() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.left
}

// run hands batches on until close was called and everything is handed on, or until ctx ends.
func (g *gatherer) run(ctx context.Context) {
	for open := true; open; {
		select {
		case <-g.first:
		case <-g.closed:
		}
		wait := time.NewTimer(gatherTime)
		select {
		case <-wait.C:
		case <-g.full:
		case <-g.closed:
			open = false
		}
		wait.Stop()
		if err := g.handOn(ctx); err != nil {
			<-g.closed // whoever adds entries waits for ctx, too
			g.failed(len(g.take().Entries) + g.paths.Held())
			return
		}
	}
	if err := g.paths.Release(ctx); err != nil { // ctx has ended
		g.failed(g.paths.Held())
	}
}

// handOn hands on the batch, unless it is empty. An error is that of ctx, and the messages are lost then.
func (g *gatherer) handOn(ctx context.Context) error {
	b := g.take()
	n := len(b.Entries)
	if n == 0 {
		return nil
	}
	err := g.paths.HandOn(ctx, b, func(int) {})
	if err != nil {
		g.failed(n)
	}
	return err
}

// failed counts messages that are lost.
func (g *gatherer) failed(messages int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left += messages
}
