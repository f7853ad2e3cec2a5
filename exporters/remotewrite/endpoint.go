// Package remotewrite delivers the blocks of scrapes to one Prometheus remote-write
// endpoint, in version 1.0 or 2.0 of the protocol.
//
// An Endpoint is what package scrape calls a Sink, and a Packer: it says how a series' labels
// are sent (external labels, write relabelling), compresses blocks, takes them, and sends
// them. They wait in a line for each shard; a target's blocks are always in the same one and
// leave it in order, so samples of a series are never out of order.
//
// With Config.Dir they wait on disk: a block is there when Append returns, and stays until
// the endpoint has taken or refused it. A process that is killed loses none; the next one
// sends what is left first, and again only what was not acknowledged. While the disk fails
// blocks wait in memory. Both are bounded in bytes: when one is full the oldest samples go,
// counted. Without a Dir blocks wait in memory alone, and what is not sent FlushTimeout
// after the end is lost, and counted too.
//
// What waits is in the form of 1.0 with what 2.0 has beyond it. A request of 1.0 is blocks
// joined as they are; for 2.0 they are transcoded, series by series, into the request's
// symbols. An endpoint that shows that it does not know 2.0 gets 1.0 from then on, what
// waits already included.
//
// What a response of the endpoint means is judged by package send. Endpoints are made and
// run by cmd/lighter; all methods may be called from any goroutine.
package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"lighter"
	"lighter/exporters/endpoint"
	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
	"lighter/exporters/send"
)

// ErrClosed is what Append returns once Run has begun to stop.
var ErrClosed = errors.New("the endpoint is closed")

// Options are what endpoints share, beside their configuration.
type Options struct {
	Client       *http.Client  // nil: made of Config.HTTP
	UserAgent    string        // "lighter/<version>"
	FlushTimeout time.Duration // how long Run sends on after its context has ended
	Metrics      *Metrics
	SendMetrics  *send.Metrics
	Logger       *slog.Logger
}

// Endpoint delivers to one backend. Run may be called once; Append works before it, too.
type Endpoint struct {
	cfg      Config
	opts     Options
	logger   *slog.Logger
	common   *endpoint.Endpoint
	sender   *send.Sender
	protocol *protocol
	requests requests
	labels   *labeller
	meta     metadata
	buffer   *buffer

	knowsNoV2 atomic.Bool // as its responses showed
}

// New returns an Endpoint; nothing is dialled. It fails when the HTTP configuration does
// not make a client, such as when a certificate cannot be read, and when Dir cannot be used.
// What waits in Dir from an earlier process is sent by Run.
func New(cfg Config, o Options) (*Endpoint, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("remote write %s: %w", cfg.Name, err)
	}
	m, logger := o.Metrics, o.Logger.With("endpoint", cfg.Name)
	reasons := []string{queue.ReasonFull, reasonShutdown}
	if cfg.MaxAge > 0 {
		reasons = append(reasons, reasonTooOld)
	}
	protocol := newProtocol(cfg.Name, o.UserAgent, m.written)
	common, err := endpoint.New(endpoint.Options{
		Name:       cfg.Name,
		URL:        cfg.URL,
		HTTP:       cfg.HTTP,
		Proxy:      cfg.Proxy,
		Headers:    cfg.Headers,
		Timeout:    cfg.Timeout,
		MinBackoff: cfg.MinBackoff,
		MaxBackoff: cfg.MaxBackoff,
		Client:     o.Client,
		Protocol:   protocol,
		Backend:    "a receiver of remote write",
		Words:      endpoint.Words{Items: "samples", Full: waitInMemory, Failed: waitInMemory},
		Dir:        cfg.Dir,
		MaxBytes:   cfg.MaxBytes,
		Lanes:      cfg.Shards,
		Full:       queue.DropOldest,
		Metrics:    &m.Metrics,
		Reasons:    reasons,
		Send:       o.SendMetrics,
		Logger:     o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("remote write %s: %w", cfg.Name, err)
	}
	e := &Endpoint{
		cfg:      cfg,
		opts:     o,
		logger:   logger,
		common:   common,
		sender:   common.Sender,
		labels:   newLabeller(cfg.ExternalLabels, cfg.WriteRelabel, logger),
		protocol: protocol,
	}
	e.requests = requests{protocol: protocol, metadata: &e.meta}
	e.buffer = newBuffer(cfg.Shards, cfg.BufferBytes, cfg.BatchWait, common.Disk, &common.Losses)
	e.showWaiting()
	return e, nil
}

const waitInMemory = "they wait in memory, up to a limit"

// Why this package drops samples, beside the queue's reasons and those that are read from refusals.
const (
	reasonShutdown = "shutdown"
	reasonTooOld   = "max_age"
)

// AppendPacked appends a block in the form in which it waits, and which Append takes:
// compressed.
func (e *Endpoint) AppendPacked(dst []byte, b lighter.Block) []byte { return appendPacked(dst, b) }

// Append takes the blocks of one scrape, whose bodies are what AppendPacked returned, or with
// an error none of them: ErrClosed, or what is wrong with them. With a Dir they are on disk
// when it returns. It keeps no Body, and waits for the disk at most: when there is no room the
// oldest samples go.
func (e *Endpoint) Append(_ context.Context, shard uint64, blocks []lighter.Block) error {
	var few [4]packed // enough for most targets
	all := few[:0]
	for _, b := range blocks {
		r := packed{body: b.Body, samples: b.Samples, tenant: e.cfg.Tenant}
		if !r.known() {
			return fmt.Errorf("a block of %d samples is not packed", b.Samples)
		}
		var err error
		if all, err = appendCut(all, r, e.cfg.SamplesPerSend); err != nil {
			return fmt.Errorf("cut a block of %d samples: %w", b.Samples, err)
		}
	}
	if !e.buffer.push(shard, all) {
		return ErrClosed
	}
	e.showWaiting()
	return nil
}

// Run sends until ctx ends, then for FlushTimeout at most what still waits, and returns
// nil. What is left then stays on disk; without a disk it is lost, and logged.
func (e *Endpoint) Run(ctx context.Context) error {
	sending, stop := e.common.Flushing(ctx, e.opts.FlushTimeout)
	defer stop()
	var g errgroup.Group
	for shard := range e.cfg.Shards {
		g.Go(func() error { return e.runShard(sending, shard) })
	}
	if e.cfg.SendMetadata {
		g.Go(func() error { return e.runMetadata(ctx) })
	}
	<-ctx.Done()
	e.buffer.close()
	err := g.Wait()
	if lost := e.buffer.finish(); lost > 0 {
		e.common.Count(reasonShutdown, lost)
		e.logger.Error("samples are lost: the endpoint did not take them before the end", "samples", lost, "waited", e.opts.FlushTimeout)
	}
	e.showWaiting()
	return err
}

// Close gives back what New took. Run must have returned, or never been called.
func (e *Endpoint) Close() error { return e.common.Close() }

// readPause is how long a shard waits before it reads again from a disk that cannot be read.
const readPause = time.Second

// runShard sends what one shard's line holds, in order, until it is closed and empty or
// ctx ends.
func (e *Endpoint) runShard(ctx context.Context, shard int) error {
	unread := false // this shard could not read, the last time: what others read says nothing of its disk
	for {
		items, ok, err := e.buffer.take(ctx, shard, e.cfg.SamplesPerSend)
		if !ok {
			return nil
		}
		if err != nil || unread {
			e.sender.Unreadable(err)
		}
		if unread = err != nil; unread {
			if !send.Pause(ctx, readPause) {
				return nil
			}
			if e.buffer.inMemory().Items+e.buffer.onDisk().Items == 0 { // it was damaged, and is dropped and counted
				unread = false
				e.sender.Unreadable(nil)
			}
			continue
		}
		old := e.tooOld(items)
		if old > 0 {
			e.common.Acknowledged(e.buffer.done(shard, items[:old]))
			items = items[old:]
			e.showWaiting()
		}
		if len(items) == 0 {
			continue
		}
		if err := e.deliver(ctx, items); err != nil {
			e.buffer.putBack(shard, items) // the flush is over
			return nil
		}
		e.common.Acknowledged(e.buffer.done(shard, items))
		e.showWaiting()
	}
}

// tooOld returns how many of the items, which are in the order in which they came, have waited too long to be
// sent, and counts their samples. What is being sent is not dropped, however long that takes.
func (e *Endpoint) tooOld(items []item) (n int) {
	if e.cfg.MaxAge <= 0 {
		return 0
	}
	samples := 0
	for n < len(items) && time.Since(items[n].arrived) > e.cfg.MaxAge {
		samples += items[n].samples
		n++
	}
	if n > 0 {
		e.common.Count(reasonTooOld, samples)
	}
	return n
}

// Takes implements scrape.Chooser.
func (e *Endpoint) Takes() (exemplars, histograms bool) { return !e.cfg.NoExemplars, !e.cfg.NoNative }

// deliver returns when items are taken, or refused for good, or, with its error, ctx ends.
func (e *Endpoint) deliver(ctx context.Context, items []item) error {
	for {
		r, err := e.requests.make(items, e.speaksV2())
		switch {
		case err != nil && len(items) > 1:
			return e.deliverEach(ctx, items)
		case err != nil:
			e.common.Count(stored.ReasonFormat, items[0].samples)
			e.logger.Error("samples that waited are dropped", "samples", items[0].samples, "error", err)
			return nil
		}
		err = e.sender.Deliver(ctx, r)
		unknown := (*unknownVersionError)(nil)
		if !errors.As(err, &unknown) {
			return err
		}
		if e.knowsNoV2.CompareAndSwap(false, true) {
			e.logger.Warn("remote write 1.0 is sent from now on, also what waits", "because", unknown)
		}
	}
}

// deliverEach finds out which of the items it is that no request can be made of.
func (e *Endpoint) deliverEach(ctx context.Context, items []item) error {
	for i := range items {
		if err := e.deliver(ctx, items[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Endpoint) speaksV2() bool { return e.cfg.Version == 2 && !e.knowsNoV2.Load() }

// showWaiting sets what metrics say of the buffer, and notices that it has room again.
func (e *Endpoint) showWaiting() {
	inMemory, onDisk := e.buffer.inMemory(), e.buffer.onDisk()
	e.opts.Metrics.Queue.WithLabelValues(e.cfg.Name, "memory").Set(float64(inMemory.Bytes))
	if e.common.Disk != nil {
		e.common.Disk.Show()
	}
	if inMemory.Bytes <= e.cfg.BufferBytes/2 && onDisk.Bytes <= e.cfg.MaxBytes/2 {
		e.common.RoomAgain()
	}
}

// Err returns why the endpoint is not ready, or nil (see send.Sender).
func (e *Endpoint) Err() error { return e.sender.Err() }

// Status is an endpoint's state as the status page shows it.
type Status struct {
	endpoint.Status // its Dropped holds this package's reasons, such as buffer_full, too

	Version int // of remote write, that is sent now
}

// Status returns what the endpoint's state is now.
func (e *Endpoint) Status() Status {
	st := Status{Status: e.common.Status(e.buffer.inMemory()), Version: 1}
	if e.speaksV2() {
		st.Version = 2
	}
	return st
}
