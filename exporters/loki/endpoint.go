// Package loki delivers batches of log entries to a Loki-compatible push endpoint.
//
// An Endpoint takes batches in Append and sends them in Run: one request at a time, so
// that the entries of a stream arrive in their order, each with up to BatchBytes of lines
// or what has come within BatchWait. A batch is released when the endpoint has taken or
// finally refused all of its entries, or when they are on disk; until then it is kept, in
// memory that the caller bounds. What an answer means is package send's to say.
//
// Batches are sent from memory. Only when the endpoint lags do they go to a queue on
// disk first, as the requests that they will be; until that is empty again everything
// passes through it, so that the order holds. A queue that is full, or a disk that
// fails, leaves batches in memory, and the caller's bound stops the reading.
//
// A request on disk whose bytes are damaged is dropped and counted. One that cannot be read
// for another reason (permissions, open files, a disk that is away or fails) is neither dropped
// nor passed over, because it may yet be read, and the entries behind it must not overtake it:
// the endpoint tries each second, its log says why and what to do, and after a minute Err does.
//
// Of a request that was too large and is sent in parts, only what no part has brought is
// kept or stored, and sent again by the next process.
package loki

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	promconfig "github.com/prometheus/common/config"

	"lighter"
	"lighter/exporters/internal/redacted"
	"lighter/exporters/send"
)

// Options are what an Endpoint works with beside its Config. All but Client are required.
type Options struct {
	Client    *http.Client // nil: made of Config.HTTP
	UserAgent string
	Metrics   *Metrics
	Send      *send.Metrics
	Logger    *slog.Logger
	// FlushTimeout is how long Run goes on sending after its context has ended.
	FlushTimeout time.Duration
}

// Endpoint is one Loki. Append is safe for concurrent use; Run may be called once.
type Endpoint struct {
	Config
	o      Options
	client *http.Client
	sender *send.Sender
	disk   *disk

	mu      sync.Mutex
	queue   []queued  // not sent yet, in order
	lines   int       // bytes that they make in requests
	held    int       // bytes of memory that they keep
	last    time.Time // when the last request was cut
	waiting waiting   // of queue and of what is being sent from memory

	more chan struct{} // capacity 1: queue has grown

	packer packer // owned by Run's sender
}

type queued struct {
	batch *lighter.Batch
	came  time.Time
}

type waiting struct {
	entries int
	bytes   int
}

// entryOverhead is about what an entry has in a request beside its line: its time and lengths.
const entryOverhead = 20

// lineBytes is what a batch adds to a request, not compressed.
func lineBytes(b *lighter.Batch) int {
	n := entryOverhead * len(b.Entries)
	for i := range b.Entries {
		n += len(b.Entries[i].Line)
	}
	return n
}

func entriesIn(batches []*lighter.Batch) (n int) {
	for _, b := range batches {
		n += len(b.Entries)
	}
	return n
}

// New returns an Endpoint, with what an earlier process has left in Config.Dir; nothing is
// dialled until Run has something to send. Close it.
func New(c Config, o Options) (*Endpoint, error) {
	client := o.Client
	if client == nil {
		var err error
		if client, err = promconfig.NewClientFromConfig(c.HTTP, c.Name); err != nil {
			return nil, fmt.Errorf("endpoint %s: HTTP settings: %w", c.Name, err)
		}
	}
	d, err := openDisk(c, o)
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", c.Name, err)
	}
	o.Metrics.queue.WithLabelValues(c.Name, "memory").Set(0)
	for _, r := range reasons {
		o.Metrics.dropped.WithLabelValues(c.Name, r.reason) // at 0, so that an increase shows from the first on
	}
	return &Endpoint{
		disk:   d,
		Config: c,
		o:      o,
		client: client,
		more:   make(chan struct{}, 1),
		sender: send.New(send.Options{
			Endpoint:  c.Name,
			URL:       c.URL,
			Client:    client,
			Protocol:  protocol{o.UserAgent},
			Timeout:   c.Timeout,
			Tenant:    c.Tenant,
			Headers:   c.Headers,
			Secrets:   redacted.Secrets(c.HTTP, c.URL),
			Delivered: o.Metrics.delivered,
			Dropped:   o.Metrics.dropped,
			Metrics:   o.Send,
			Logger:    o.Logger,
		}),
	}, nil
}

// Append takes a batch for delivery and never blocks. The endpoint calls Release on it
// when it is finished with it.
func (e *Endpoint) Append(b *lighter.Batch) {
	lines := lineBytes(b)
	e.mu.Lock()
	first, full := len(e.queue) == 0, e.full()
	e.queue = append(e.queue, queued{b, time.Now()})
	e.lines += lines
	e.held += b.Bytes
	wake := first || !full && e.full()
	e.waiting.entries += len(b.Entries)
	e.waiting.bytes += b.Bytes
	e.o.Metrics.queue.WithLabelValues(e.Name, "memory").Set(float64(e.waiting.bytes))
	e.mu.Unlock()
	if wake {
		select {
		case e.more <- struct{}{}:
		default:
		}
	}
}

// Run sends until ctx ends; then it sends what is left for up to FlushTimeout, and what is
// left then goes to disk, or, if that takes nothing, stays unreleased. It returns nil.
func (e *Endpoint) Run(ctx context.Context) error {
	defer e.client.CloseIdleConnections()
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(e.o.FlushTimeout, cancel)
		context.AfterFunc(sending, func() { timer.Stop() })
	})
	defer stop()
	var spilling sync.WaitGroup
	spilling.Go(func() { e.runSpill(sending) })
	e.runSend(ctx, sending)
	cancel()
	spilling.Wait()
	e.spill(true)
	return nil
}

// runSend sends until ctx has ended and nothing is left, or until sending ends.
func (e *Endpoint) runSend(ctx, sending context.Context) {
	for sending.Err() == nil {
		if e.sendFromDisk(sending) {
			continue
		}
		batches := e.next(ctx, sending)
		if batches == nil && ctx.Err() != nil {
			return
		}
		if batches != nil {
			e.send(sending, batches)
		}
	}
}

// next waits until a request is due and returns its batches: as many as make BatchBytes,
// and at least one. It returns nil when they are to go through the disk, and, once ctx has
// ended, when there are none.
func (e *Endpoint) next(ctx, sending context.Context) []*lighter.Batch {
	for {
		batches, wait, wake := e.tryNext(ctx)
		if batches != nil || wake || sending.Err() != nil {
			return batches
		}
		var after <-chan time.Time
		if wait > 0 {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			after = timer.C
		}
		select {
		case <-e.more:
		case <-after:
		case <-ctx.Done():
		}
	}
}

// tryNext is one attempt of next: the batches, if a request is due, or how long to wait
// (0 is until more come), or that there is nothing to wait for.
func (e *Endpoint) tryNext(ctx context.Context) (batches []*lighter.Batch, wait time.Duration, wake bool) {
	e.disk.order.Lock()
	defer e.disk.order.Unlock()
	if e.disk.waits() {
		return nil, 0, true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	wait, due := e.due(ctx)
	if !due {
		return nil, wait, false
	}
	if len(e.queue) == 0 {
		return nil, 0, true
	}
	batches = e.head()
	e.drop(batches)
	e.last = time.Now()
	e.disk.inflight = inflight{batches: batches}
	return batches, 0, false
}

// due reports whether a request is to be cut now, or else how long the lines that wait
// may go on waiting; 0 is until more come. e.mu is held.
func (e *Endpoint) due(ctx context.Context) (wait time.Duration, now bool) {
	switch {
	case ctx.Err() != nil, e.full():
		return 0, true
	case len(e.queue) == 0:
		return 0, false
	}
	first := e.queue[0].came
	wait = min(time.Until(first.Add(e.BatchWait)), max(time.Until(e.last.Add(e.BatchWait)), time.Until(first.Add(minWait))))
	return wait, wait <= 0
}

// full reports whether what waits is worth a request however short it has waited. Few lines may
// keep much memory, that of the reads they came with, and their readers wait for that. e.mu is held.
func (e *Endpoint) full() bool { return e.lines >= e.BatchBytes || e.held >= maxHeld*e.BatchBytes }

// maxHeld is how much more memory than lines a request may wait for: a few such requests are what
// the caller's bound allows.
const maxHeld = 2

// minWait is how long the first line after a pause waits for company: a line that comes
// after a quiet second is on its way at once, and still there is no more than a request a
// BatchWait while lines trickle.
const minWait = 20 * time.Millisecond

// head returns the batches that make the next request; none if none wait. e.mu is held.
func (e *Endpoint) head() (batches []*lighter.Batch) {
	for size := 0; len(batches) < len(e.queue) && size < e.BatchBytes; {
		b := e.queue[len(batches)].batch
		batches = append(batches, b)
		size += lineBytes(b)
	}
	return batches
}

// drop takes what head has returned off the queue. e.mu is held.
func (e *Endpoint) drop(head []*lighter.Batch) {
	for _, b := range head {
		e.lines -= lineBytes(b)
		e.held -= b.Bytes
	}
	clear(e.queue[:len(head)])
	e.queue = e.queue[len(head):]
	if len(e.queue) == 0 {
		e.queue = nil
	}
}

// send delivers one request and releases its batches, unless ctx ends first or the disk
// has them by then.
func (e *Endpoint) send(ctx context.Context, batches []*lighter.Batch) {
	r := e.disk.begin(e.packer.pack(batches, e.text))
	err := e.sender.Deliver(ctx, r)
	if onDisk := e.disk.end(err == nil); err == nil && !onDisk {
		e.release(batches)
	}
}

// release says that the endpoint is finished with batches.
func (e *Endpoint) release(batches []*lighter.Batch) {
	e.mu.Lock()
	for _, b := range batches {
		e.waiting.entries -= len(b.Entries)
		e.waiting.bytes -= b.Bytes
	}
	e.o.Metrics.queue.WithLabelValues(e.Name, "memory").Set(float64(e.waiting.bytes))
	e.mu.Unlock()
	for _, b := range batches {
		b.Release()
	}
}

// Close gives back what New took. Run must have returned, or never been called.
func (e *Endpoint) Close() error { return e.disk.queue.Close() }

func (e *Endpoint) text(s *lighter.Stream) string { return s.Text(e, e.ExternalLabels) }

// Oldest returns when the oldest of what waits on disk came there; zero if nothing does.
func (e *Endpoint) Oldest() time.Time { return e.disk.queue.Stats().Oldest }

// Err returns why the endpoint is to be called not ready, nil if it is ready.
func (e *Endpoint) Err() error { return e.sender.Err() }

// Status is what the status page shows of an endpoint.
type Status struct {
	send.Status
	Name           string
	URL            string // without user info
	WaitingEntries int    // in memory and on disk
	WaitingBytes   int64  // likewise
}

// Status returns what the endpoint's state is now.
func (e *Endpoint) Status() Status {
	st := Status{Status: e.sender.Status(), Name: e.Name, URL: redacted.URL(e.URL)}
	e.mu.Lock()
	st.WaitingEntries, st.WaitingBytes = e.waiting.entries, int64(e.waiting.bytes)
	e.mu.Unlock()
	q := e.disk.queue.Stats()
	st.WaitingEntries += q.Items
	st.WaitingBytes += q.Bytes
	return st
}
