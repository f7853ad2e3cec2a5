// Package loki delivers batches of log entries to a Loki-compatible push endpoint.
//
// An Endpoint takes batches in Append and sends them in Run. It sends one request at a time, so that the
// entries of a stream arrive in order; streams that Loki limits wait separately and have requests of their
// own (limited.go). A request has up to BatchBytes of lines, or the lines that came within BatchWait. An
// endpoint holds a batch until its backend has taken or finally refused all of its entries, or until they
// are on disk. Options.MemoryBytes limits what it holds. Package send interprets the responses.
//
// Batches are sent from memory. Only if the endpoint lags do they go to a queue on disk first, in the form
// of requests. Until that queue is empty again, everything passes through it, so that the order is kept. If
// the queue is full or the disk fails, batches stay in memory and Append blocks, which stops reading.
//
// A request on disk whose bytes are damaged is dropped and counted. One that cannot be read for another
// reason (permissions, open files, a disk that is absent or fails) is neither dropped nor skipped, because
// it may become readable, and later entries must not overtake it. The endpoint tries again each second and
// logs the reason and the remedy. After a minute, Err returns the reason.
//
// A request that was too large is sent in parts. If the process ends between two of them, the next process
// sends the whole request again, and Loki stores equal entries once.
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

// Options are the dependencies and settings of an Endpoint besides its Config. All but Client are required.
type Options struct {
	Client    *http.Client // if nil, made from Config.HTTP
	UserAgent string
	Metrics   *Metrics
	Send      *send.Metrics
	Logger    *slog.Logger
	// FlushTimeout is how long Run continues to send after its context has ended.
	FlushTimeout time.Duration
	// MemoryBytes limits the memory of batches that the endpoint has taken and that are neither delivered
	// nor on disk, until SetMemory changes that.
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
	queue        []queued         // not yet sent, in order
	requestBytes int              // size of the batches in queue as requests, before compression
	keptBytes    int              // memory of the batches in queue
	last         lastRequests     // time of each tenant's last request
	waiting      endpoint.Waiting // batches in queue, and those being sent from memory

	more chan struct{} // capacity 1: receives a value when queue has grown

	packer packer // owned by Run's sender
}

type queued struct {
	batch     *lighter.Batch
	lineBytes int    // of the batch
	tenant    string // of all entries of batch
	came      time.Time
}

// Approximate size of an entry in a request besides its line: for its time and lengths, and for a name and
// a value of its structured metadata.
const (
	entryOverhead = 20
	fieldOverhead = 6
)

// lineBytes returns the size of a batch in a request before compression.
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

// New returns an Endpoint, with what an earlier process has left in Config.Dir. It opens no connection
// until Run has something to send. The caller must call Close.
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
			Full:   "reading stops until the endpoint accepts data again, and Docker keeps the lines",
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

// Append takes a batch for delivery. It blocks while there is no room, first come, first served, or until
// ctx ends, and then returns ctx's error. It holds the batch until all of its entries are delivered,
// refused for good, or on disk.
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

// enqueue adds a batch of one tenant to the queue. The batch is held for the endpoint, and there is room
// for it.
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

// Run sends until ctx ends. It then sends the rest for up to FlushTimeout. What is still left goes to disk,
// or stays unreleased if the disk does not accept it. Run returns nil.
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

// next waits until a request is due and returns its batches: as many as fit in BatchBytes, and at least
// one. It returns nil when they must go through the disk, and after ctx has ended, when there are none.
func (e *Endpoint) next(ctx, sending context.Context) []*lighter.Batch {
	for {
		batches, wait, wake := e.tryNext(ctx)
		if batches != nil || wake || sending.Err() != nil {
			return batches
		}
		endpoint.Await(ctx, e.more, wait)
	}
}

// tryNext is one attempt of next. It returns the batches if a request is due, or how long to wait (0 means
// until more come), or that there is nothing to wait for.
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

// due reports whether to make a request now, and otherwise how long the waiting lines may continue to wait;
// 0 means until more come. The caller holds e.mu.
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

// full reports whether the queue is worth a request however short it has waited. A few lines may retain
// much memory, that of the reads they came with, and their readers wait for that memory. The caller holds
// e.mu.
func (e *Endpoint) full() bool {
	return e.requestBytes >= e.BatchBytes || e.keptBytes >= keptPerBatch*e.BatchBytes
}

// keptPerBatch is the retained memory, as a multiple of BatchBytes, at which a request is made however few
// bytes of lines there are: a batch retains the whole chunk that was read. MemoryBytes has room for a few
// of these.
const keptPerBatch = 2

// minWait is how long the first line after a pause waits for more. A line after a quiet second is sent
// almost at once, and slowly written lines still make only one request per BatchWait.
const minWait = 20 * time.Millisecond

// head returns the batches of the next request, which belong to the tenant of the first one, or none if
// none wait. The caller holds e.mu.
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

// drop removes what head has returned from the queue. The caller holds e.mu.
func (e *Endpoint) drop(head []*lighter.Batch) {
	n := len(head)
	if e.queue[n-1].batch != head[n-1] { // batches of other tenants among them stay
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

// send delivers one request and releases its batches, unless ctx ends first or they are on disk by then.
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

// release releases batches that the endpoint is finished with.
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

// Close releases the resources of New. Run must have returned, or never been called.
func (e *Endpoint) Close() error { return e.common.Close() }

func (e *Endpoint) text(s *lighter.Stream) string { return s.Text(e, e.ExternalLabels) }

// Oldest returns when the oldest data on disk was written there, or zero if there is none.
func (e *Endpoint) Oldest() time.Time { return e.common.Disk.Stats().Oldest }

// Err returns why the endpoint is not ready, or nil if it is.
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
	Text        string    // what Loki says, without secrets and shortened; empty if it has said nothing since the agent started
}

// Status returns the endpoint's present state.
func (e *Endpoint) Status() Status {
	e.mu.Lock()
	inMemory := e.waiting
	e.mu.Unlock()
	st := Status{Status: e.common.Status(inMemory)}
	st.HeldStreams, st.Held = e.limits.held()
	return st
}
