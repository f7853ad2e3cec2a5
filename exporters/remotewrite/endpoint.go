// Package remotewrite delivers the blocks of scrapes to one Prometheus remote-write 1.0
// endpoint.
//
// An Endpoint is what package scrape calls a Sink: it says how a series' labels are sent
// (external labels, write relabelling), takes blocks, and sends them. Blocks wait
// compressed, in a queue for each shard; a target's blocks are always in the same one and
// leave it in order, so samples of a series are never out of order. What waits is bounded
// in bytes: when that is full the oldest samples go, counted. Nothing here waits on disk:
// what is not sent FlushTimeout after the end is lost, and counted too.
//
// What an answer of the endpoint means is judged by package send. Endpoints are made and
// run by cmd/lighter; all methods may be called from any goroutine.
package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	promconfig "github.com/prometheus/common/config"
	"golang.org/x/sync/errgroup"

	"lighter"
	"lighter/exporters/internal/redacted"
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
	cfg    Config
	opts   Options
	sender *send.Sender
	labels labeller
	queue  *queue
	meta   metadata

	compressing sync.Pool    // of *[]byte, for Append
	overflown   atomic.Int64 // samples dropped because the buffer was full
	abandoned   atomic.Int64 // samples dropped because the end came
}

// New returns an Endpoint; nothing is dialled. It fails when the HTTP configuration does
// not make a client, such as when a certificate cannot be read.
func New(cfg Config, o Options) (*Endpoint, error) {
	if cfg.Shards < 1 || cfg.SamplesPerSend < 1 || cfg.BufferBytes < 1 {
		return nil, fmt.Errorf("remote write %s: shards (%d), samples per send (%d) and buffer bytes (%d) must be above zero", cfg.Name, cfg.Shards, cfg.SamplesPerSend, cfg.BufferBytes)
	}
	if o.Client == nil {
		if err := cfg.HTTP.Validate(); err != nil {
			return nil, fmt.Errorf("remote write %s: %w", cfg.Name, err)
		}
		client, err := promconfig.NewClientFromConfig(cfg.HTTP, "remote_write")
		if err != nil {
			return nil, fmt.Errorf("remote write %s: make an HTTP client: %w", cfg.Name, err)
		}
		o.Client = client
	}
	m := o.Metrics
	e := &Endpoint{
		cfg:    cfg,
		opts:   o,
		labels: labeller{external: cfg.ExternalLabels, rules: cfg.WriteRelabel, logger: o.Logger.With("endpoint", cfg.Name)},
	}
	e.queue = newQueue(cfg.Shards, cfg.BufferBytes, m.queueBytes.WithLabelValues(cfg.Name, "memory"), e.overflowed)
	e.sender = send.New(send.Options{
		Endpoint:  cfg.Name,
		URL:       cfg.URL,
		Client:    o.Client,
		Protocol:  protocol{userAgent: o.UserAgent},
		Timeout:   cfg.Timeout,
		Tenant:    cfg.Tenant,
		Headers:   cfg.Headers,
		Delivered: m.delivered,
		Dropped:   m.dropped,
		Metrics:   o.SendMetrics,
		Logger:    o.Logger,
	})
	return e, nil
}

// Append takes the blocks of one scrape, or with ErrClosed none of them. It compresses
// them, keeps no Body, and never waits: when the buffer is full the oldest samples go.
func (e *Endpoint) Append(_ context.Context, shard uint64, blocks []lighter.Block) error {
	var items []item
	for _, b := range blocks {
		for b.Samples > e.cfg.SamplesPerSend {
			var head lighter.Block
			var err error
			if head, b, err = cutBlock(b, e.cfg.SamplesPerSend); err != nil {
				return fmt.Errorf("cut a block of %d samples: %w", b.Samples, err)
			}
			items = append(items, e.compress(head))
		}
		items = append(items, e.compress(b))
	}
	if !e.queue.push(int(shard%uint64(e.cfg.Shards)), items) {
		return ErrClosed
	}
	return nil
}

// compress uses one large buffer again and again, and keeps exactly what it needs.
func (e *Endpoint) compress(b lighter.Block) item {
	buf, _ := e.compressing.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer e.compressing.Put(buf)
	return newItem(b, buf)
}

// Run sends until ctx ends, then for FlushTimeout at most what still waits, and returns
// nil. What is left then is lost, and logged.
func (e *Endpoint) Run(ctx context.Context) error {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	for shard := range e.cfg.Shards {
		g.Go(func() error { return e.runShard(sending, shard) })
	}
	if e.cfg.SendMetadata {
		g.Go(func() error { return e.runMetadata(ctx) })
	}
	<-ctx.Done()
	e.queue.close()
	deadline := time.AfterFunc(e.opts.FlushTimeout, stop)
	defer deadline.Stop()
	err := g.Wait()
	if n := e.queue.discard(); n > 0 {
		e.drop(&e.abandoned, reasonShutdown, n)
		e.opts.Logger.Error("samples are lost: the endpoint did not take them before the end", "endpoint", e.cfg.Name, "samples", n, "waited", e.opts.FlushTimeout)
	}
	return err
}

// runShard sends what one shard's queue holds, in order, until it is closed and empty or
// ctx ends.
func (e *Endpoint) runShard(ctx context.Context, shard int) error {
	for {
		items, ok := e.queue.take(ctx, shard, e.cfg.SamplesPerSend)
		if !ok {
			return nil
		}
		if err := e.sender.Deliver(ctx, join(items)); err != nil {
			return nil // the flush is over; what was taken still counts as waiting
		}
		e.queue.done(items)
	}
}

func (e *Endpoint) overflowed(samples int, first bool) {
	e.drop(&e.overflown, reasonBufferFull, samples)
	if first {
		e.opts.Logger.Error("the buffer is full, the oldest samples are dropped", "endpoint", e.cfg.Name, "buffer_bytes", e.cfg.BufferBytes)
	}
}

// Reasons for which this package drops samples; others are read from refusals.
const (
	reasonBufferFull = "buffer_full"
	reasonShutdown   = "shutdown"
)

func (e *Endpoint) drop(tally *atomic.Int64, reason string, samples int) {
	tally.Add(int64(samples))
	e.opts.Metrics.dropped.WithLabelValues(e.cfg.Name, reason).Add(float64(samples))
}

// Err returns why the endpoint is not ready, or nil (see send.Sender).
func (e *Endpoint) Err() error { return e.sender.Err() }

// Status is an endpoint's state as the status page shows it.
type Status struct {
	send.Status // its Dropped holds the reasons buffer_full and shutdown too

	Name           string
	URL            string // without user info and parameters
	WaitingSamples int
	WaitingBytes   int64 // compressed
}

// Status returns what the endpoint's state is now.
func (e *Endpoint) Status() Status {
	samples, bytes := e.queue.waiting()
	st := e.sender.Status()
	for reason, n := range map[string]int64{reasonBufferFull: e.overflown.Load(), reasonShutdown: e.abandoned.Load()} {
		if n > 0 {
			st.Dropped[reason] = n
		}
	}
	return Status{
		Status:         st,
		Name:           e.cfg.Name,
		URL:            redacted.URL(e.cfg.URL),
		WaitingSamples: samples,
		WaitingBytes:   bytes,
	}
}
