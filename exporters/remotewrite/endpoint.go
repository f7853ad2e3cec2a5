// Package remotewrite delivers the blocks of scrapes to one Prometheus remote-write endpoint, using version
// 1.0 or 2.0 of the protocol.
//
// An Endpoint is a Sink and a Packer of package scrape: it encodes the labels of series as they are sent
// (external labels, write relabelling), compresses blocks, takes them, and sends them. Blocks wait in one
// queue per shard. A target's blocks are always in the same queue and leave it in order, so that samples of
// a series are never out of order.
//
// With Config.Dir, blocks wait on disk: a block is there when Append returns, and stays until the endpoint
// has taken or refused it. A killed process loses none; the next one first sends what is left, and repeats
// only what was not acknowledged. While the disk fails, blocks wait in memory. Both are limited in bytes;
// when one is full, the oldest samples are dropped and counted. Without a Dir, blocks wait in memory only,
// and those not sent within FlushTimeout after the end are lost and counted, too.
//
// Waiting blocks are in the form of 1.0, extended by what 2.0 adds. A 1.0 request consists of joined
// blocks. For 2.0 they are transcoded, series by series, to use the request's symbols. An endpoint that
// shows that it does not support 2.0 gets 1.0 from then on, including waiting blocks.
//
// Package send interprets the endpoint's responses. cmd/lighter makes and runs Endpoints; all methods may
// be called from any goroutine.
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

// ErrClosed is returned by Append once Run has begun to stop.
var ErrClosed = errors.New("the endpoint is closed")

// Options are the dependencies and settings that endpoints share.
type Options struct {
	Client       *http.Client  // if nil, made from Config.HTTP
	UserAgent    string        // "lighter/<version>"
	FlushTimeout time.Duration // how long Run continues to send after its context has ended
	Metrics      *Metrics
	SendMetrics  *send.Metrics
	Logger       *slog.Logger
}

// Endpoint delivers to one backend. Run may be called once; Append also works before that.
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

	knowsNoV2 atomic.Bool // as its responses have shown
}

// New returns an Endpoint. It opens no connection. It returns an error if the HTTP configuration is
// invalid, for example because a certificate cannot be read, or if Dir cannot be used. Run sends what an
// earlier process has left in Dir.
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

// The reasons for which this package drops samples, besides the queue's reasons and those read from
// refusals.
const (
	reasonShutdown = "shutdown"
	reasonTooOld   = "max_age"
)

// AppendPacked appends a block in the compressed form that Append takes and in which it waits.
func (e *Endpoint) AppendPacked(dst []byte, b lighter.Block) []byte { return appendPacked(dst, b) }

// Append takes the blocks of one scrape, whose bodies must come from AppendPacked. If it returns an error,
// it has taken none: ErrClosed, or what is wrong with the blocks. With a Dir, they are on disk when Append
// returns. It keeps no Body and waits for nothing but the disk: if there is no room, the oldest samples are
// dropped.
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

// Run sends until ctx ends, continues for at most FlushTimeout with what still waits, and returns nil. What
// is left then stays on disk; without a disk it is lost, which is logged.
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

// Close releases the resources of New. Run must have returned, or never been called.
func (e *Endpoint) Close() error { return e.common.Close() }

// readPause is the pause of a shard after a failed read from the disk.
const readPause = time.Second

// runShard sends the queue of one shard, in order, until it is closed and empty, or ctx ends.
func (e *Endpoint) runShard(ctx context.Context, shard int) error {
	unread := false // this shard's last read failed; reads of other shards say nothing about its records
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
			if e.buffer.inMemory().Items+e.buffer.onDisk().Items == 0 { // it was damaged, and has been dropped and counted
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
			e.buffer.putBack(shard, items) // the time for flushing is over
			return nil
		}
		e.common.Acknowledged(e.buffer.done(shard, items))
		e.showWaiting()
	}
}

// tooOld returns the number of items, which are in order of arrival, that have waited too long to be sent,
// and counts their samples. A request in progress is not dropped, however long it takes.
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

// deliver returns when items are taken, or refused for good. If ctx ends first, it returns ctx's error.
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

// deliverEach finds the items from which no request can be made.
func (e *Endpoint) deliverEach(ctx context.Context, items []item) error {
	for i := range items {
		if err := e.deliver(ctx, items[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Endpoint) speaksV2() bool { return e.cfg.Version == 2 && !e.knowsNoV2.Load() }

// showWaiting sets the metrics of the buffer, and notices if it has room again.
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
	endpoint.Status // its Dropped includes this package's reasons, such as buffer_full

	Version int // of remote write, as presently sent
}

// Status returns the endpoint's present state.
func (e *Endpoint) Status() Status {
	st := Status{Status: e.common.Status(e.buffer.inMemory()), Version: 1}
	if e.speaksV2() {
		st.Version = 2
	}
	return st
}
