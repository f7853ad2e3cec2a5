// Package loki delivers batches of log entries to a Loki-compatible push endpoint.
//
// An Endpoint takes batches in Append and sends them in Run: one request at a time (and one of
// streams that Loki limits, which wait apart from the others: see limited.go), so
// that the entries of a stream arrive in their order, each with up to BatchBytes of lines
// or what has come within BatchWait. An endpoint holds a batch until its backend has taken or
// finally refused all of its entries, or until they are on disk. Options.MemoryBytes bounds what
// it holds. What a response means is package send's to say.
//
// Batches are sent from memory. Only when the endpoint lags do they go to a queue on
// disk first, as the requests that they will be; until that is empty again everything
// passes through it, so that the order holds. A queue that is full, or a disk that
// fails, leaves batches in memory, and Append blocks, which stops the reading.
//
// A request on disk whose bytes are damaged is dropped and counted. One that cannot be read
// for another reason (permissions, open files, a disk that is away or fails) is neither dropped
// nor passed over, because it may yet be read, and the entries behind it must not overtake it:
// the endpoint tries each second, its log says why and what to do, and after a minute Err does.
//
// A request that was too large goes out in parts. If the process ends between two of them, the next
// one sends the request again from its start, and Loki keeps one of two equal entries.
package loki

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"lighter"
	"lighter/exporters/endpoint"
	"lighter/exporters/queue"
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
	// MemoryBytes is how much memory the batches may keep that the endpoint has taken and that are
	// neither delivered nor on disk, until SetMemory changes it.
	MemoryBytes int64
}

// Endpoint is one Loki. Append is safe for concurrent use; Run may be called once.
type Endpoint struct {
	Config
	o      Options
	common *endpoint.Endpoint
	sender *send.Sender
	disk   *disk
	limits *limits
	room   *room // that batches take in memory

	mu           sync.Mutex
	queue        []queued         // not sent yet, in order
	requestBytes int              // what the batches in queue make in requests, before compression
	keptBytes    int              // memory that the batches in queue keep
	last         lastRequests     // when the last request of each tenant was cut
	waiting      endpoint.Waiting // of queue and of what is being sent from memory

	more chan struct{} // capacity 1: queue has grown

	packer packer // owned by Run's sender
}

type queued struct {
	batch     *lighter.Batch
	lineBytes int    // of the batch
	tenant    string // of all its entries
	came      time.Time
}

// What an entry has in a request beside its line, about: its time and lengths, and those of a name
// and value of its structured metadata.
const (
	entryOverhead = 20
	fieldOverhead = 6
)

// lineBytes is what a batch adds to a request, not compressed.
func lineBytes(b *lighter.Batch) int {
	n := entryOverhead * len(b.Entries)
	for i := range b.Entries {
		n += len(b.Entries[i].Line)
		for _, f := range b.Fields(&b.Entries[i]) {
			n += fieldOverhead + len(f.Name) + len(f.Value)
		}
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
	if c.Dir == "" {
		return nil, fmt.Errorf("endpoint %s: it has no directory for its buffer", c.Name)
	}
	counted := make([]string, 0, len(reasons))
	for _, r := range reasons {
		counted = append(counted, r.reason)
	}
	common, err := endpoint.New(endpoint.Options{
		Name:       c.Name,
		URL:        c.URL,
		HTTP:       c.HTTP,
		Proxy:      c.Proxy,
		Headers:    c.Headers,
		Timeout:    c.Timeout,
		MinBackoff: c.MinBackoff,
		MaxBackoff: c.MaxBackoff,
		Client:     o.Client,
		Protocol:   protocol{o.UserAgent},
		Backend:    "Loki",
		Words: endpoint.Words{
			Items:  "log lines",
			Full:   "reading stops until the endpoint takes data again, and Docker keeps the lines",
			Failed: "reading stops when the memory for them is full",
		},
		Dir:      c.Dir,
		MaxBytes: c.MaxBytes,
		Lanes:    2, // limitedLane is the second
		Full:     queue.Refuse,
		Metrics:  &o.Metrics.Metrics,
		Reasons:  counted,
		Send:     o.Send,
		Logger:   o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", c.Name, err)
	}
	o.Metrics.Queue.WithLabelValues(c.Name, "memory").Set(0)
	e := &Endpoint{
		common: common,
		sender: common.Sender,
		disk:   newDisk(c.Name, common, o.Logger),
		limits: newLimits(c, o.Logger),
		last:   lastRequests{},
		Config: c,
		o:      o,
		more:   make(chan struct{}, 1),
		room:   newRoom(o.MemoryBytes),
	}
	e.loadLimited()
	return e, nil
}

// SetMemory changes how much memory the batches may keep that are neither delivered nor on disk. What the
// endpoint has taken stays: if that is more, Append blocks until enough of it is delivered or on disk.
func (e *Endpoint) SetMemory(bytes int64) { e.room.resize(bytes) }

// Append takes a batch for delivery. It blocks while there is no room for it, first come, first
// served, or until ctx ends, whose error it returns then. It holds the batch until all of its
// entries are delivered, refused for good, or on disk.
func (e *Endpoint) Append(ctx context.Context, b *lighter.Batch) error {
	tenant, mixed := e.tenants(b)
	if mixed {
		return e.appendEach(ctx, b)
	}
	if err := e.waitFor(ctx, b, tenant); err != nil {
		return err
	}
	b.Hold()
	e.enqueue(b, tenant)
	return nil
}

// waitFor waits until there is room for a batch.
func (e *Endpoint) waitFor(ctx context.Context, b *lighter.Batch, tenants ...string) error {
	for _, tenant := range tenants {
		if err := e.limits.wait(ctx, tenant, b, e.text); err != nil {
			return err
		}
	}
	if err := e.room.acquire(ctx, int64(b.Bytes)); err != nil {
		return fmt.Errorf("wait for room for %d bytes of log lines: %w", b.Bytes, err)
	}
	return nil
}

// enqueue puts a batch of one tenant, which is held for the endpoint and for which there is room, in the queue.
func (e *Endpoint) enqueue(b *lighter.Batch, tenant string) {
	lines := lineBytes(b)
	e.mu.Lock()
	first, full := len(e.queue) == 0, e.full()
	e.queue = append(e.queue, queued{b, lines, tenant, time.Now()})
	e.requestBytes += lines
	e.keptBytes += b.Bytes
	wake := first || !full && e.full()
	e.waiting.Add(endpoint.Waiting{Items: len(b.Entries), Bytes: int64(b.Bytes)})
	e.o.Metrics.Queue.WithLabelValues(e.Name, "memory").Set(float64(e.waiting.Bytes))
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
	sending, stop := e.common.Flushing(ctx, e.o.FlushTimeout)
	var spilling sync.WaitGroup
	spilling.Go(func() { e.runSpill(sending) })
	var limited sync.WaitGroup
	limited.Go(func() { e.runLimited(ctx, sending) })
	e.runSend(ctx, sending)
	limited.Wait()
	stop()
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
		endpoint.Await(ctx, e.more, wait)
	}
}

// tryNext is one attempt of next: the batches, if a request is due, or how long to wait
// (0 is until more come), or that there is nothing to wait for.
func (e *Endpoint) tryNext(ctx context.Context) (batches []*lighter.Batch, wait time.Duration, wake bool) {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
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
	e.last.set(e.queue[0].tenant, time.Now(), e.BatchWait)
	batches = e.head()
	e.drop(batches)
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
	wait = endpoint.Pace{Least: minWait, Most: e.BatchWait}.Wait(e.queue[0].came, e.last[e.queue[0].tenant])
	return wait, wait <= 0
}

// full reports whether what waits is worth a request however short it has waited. Few lines may
// keep much memory, that of the reads they came with, and their readers wait for that. e.mu is held.
func (e *Endpoint) full() bool {
	return e.requestBytes >= e.BatchBytes || e.keptBytes >= keptPerBatch*e.BatchBytes
}

// keptPerBatch is the memory, as a multiple of BatchBytes, at which a request is cut however few bytes of
// lines there are: a batch keeps the whole chunk that was read. MemoryBytes has room for a few of these.
const keptPerBatch = 2

// minWait is how long the first line after a pause waits for company: a line that comes
// after a quiet second is on its way at once, and still there is no more than a request a
// BatchWait while lines trickle.
const minWait = 20 * time.Millisecond

// head returns the batches that make the next request, which is of the tenant of the first one; none if none
// wait. e.mu is held.
func (e *Endpoint) head() (batches []*lighter.Batch) {
	size := 0
	for i := range e.queue {
		if q := &e.queue[i]; q.tenant == e.queue[0].tenant {
			batches = append(batches, q.batch)
			if size += q.lineBytes; size >= e.BatchBytes {
				break
			}
		}
	}
	return batches
}

// drop takes what head has returned off the queue. e.mu is held.
func (e *Endpoint) drop(head []*lighter.Batch) {
	n := len(head)
	if e.queue[n-1].batch != head[n-1] { // there are batches of other tenants among them, which stay
		n = e.toFront(head)
	}
	for _, q := range e.queue[:n] {
		e.requestBytes -= q.lineBytes
		e.keptBytes -= q.batch.Bytes
	}
	clear(e.queue[:n])
	e.queue = e.queue[n:]
	if len(e.queue) == 0 {
		e.queue = nil
	}
}

// send delivers one request and releases its batches, unless ctx ends first or the disk
// has them by then.
func (e *Endpoint) send(ctx context.Context, batches []*lighter.Batch) {
	r := e.packer.pack(batches, e.text)
	r.Tenant, _ = e.tenants(batches[0])
	r.Refused = e.refused
	r, err := e.withoutLimited(ctx, r)
	if err != nil {
		return
	}
	e.disk.begin(r)
	if r.Items > 0 {
		err = e.deliver(ctx, r)
	}
	if onDisk := e.disk.end(err == nil); err == nil && !onDisk {
		e.release(batches)
	}
}

// release says that the endpoint is finished with batches.
func (e *Endpoint) release(batches []*lighter.Batch) {
	e.mu.Lock()
	for _, b := range batches {
		e.waiting.Add(endpoint.Waiting{Items: -len(b.Entries), Bytes: -int64(b.Bytes)})
	}
	e.o.Metrics.Queue.WithLabelValues(e.Name, "memory").Set(float64(e.waiting.Bytes))
	e.mu.Unlock()
	for _, b := range batches {
		n := int64(b.Bytes)
		b.Done()
		e.room.release(n)
	}
}

// Close gives back what New took. Run must have returned, or never been called.
func (e *Endpoint) Close() error { return e.common.Close() }

func (e *Endpoint) text(s *lighter.Stream) string { return s.Text(e, e.ExternalLabels) }

// Oldest returns when the oldest of what waits on disk came there; zero if nothing does.
func (e *Endpoint) Oldest() time.Time { return e.common.Disk.Stats().Oldest }

// Err returns why the endpoint is to be called not ready, nil if it is ready.
func (e *Endpoint) Err() error { return e.sender.Err() }

// Status is an endpoint's state as the status page shows it.
type Status struct {
	endpoint.Status

	HeldStreams int          // how many streams wait because Loki refuses them for now
	Held        []HeldStream // the first of them, in the order in which they are tried again
}

// HeldStream is a stream that Loki refuses for now, and whose entries wait on disk while all other streams go on.
type HeldStream struct {
	Labels      string // as requests write them
	Tenant      string
	Waiting     endpoint.Waiting
	Since       time.Time // when the oldest of these entries came to disk
	NextAttempt time.Time // when the oldest are sent again; zero if that is at once
	Words       string    // what Loki says, without secrets and shortened; empty if it has said nothing since the agent started
}

// Status returns what the endpoint's state is now.
func (e *Endpoint) Status() Status {
	e.mu.Lock()
	inMemory := e.waiting
	e.mu.Unlock()
	st := Status{Status: e.common.Status(inMemory)}
	st.HeldStreams, st.Held = e.limits.held()
	return st
}
