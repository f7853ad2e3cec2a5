// Package loki delivers batches of log entries to a Loki-compatible push endpoint.
//
// An Endpoint takes batches in Append and sends them in Run: one request at a time, so
// that the entries of a stream arrive in their order, each with up to BatchBytes of lines
// or what has come within BatchWait. A batch is released when the endpoint has taken or
// finally refused all of its entries; until then it is kept, in memory that the caller
// bounds. What an answer means is package send's to say.
package loki

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"

	"lighter"
	"lighter/exporters/internal/redacted"
	"lighter/exporters/send"
)

// Options are what an Endpoint works with beside its Config. All are required.
type Options struct {
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

	mu      sync.Mutex
	queue   []*lighter.Batch // not sent yet, in order
	first   time.Time        // when the first of them came
	lines   int              // bytes of their lines
	last    time.Time        // when the last request was cut
	waiting waiting          // of queue and of what is being sent

	more chan struct{} // capacity 1: queue has grown

	// owned by Run
	encoder encoder
	raw     []byte
	body    []byte
}

type waiting struct {
	entries int
	bytes   int
}

// New returns an Endpoint; nothing is dialled until Run has something to send.
func New(c Config, o Options) (*Endpoint, error) {
	client, err := promconfig.NewClientFromConfig(c.HTTP, c.Name)
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: HTTP settings: %w", c.Name, err)
	}
	o.Metrics.queue.WithLabelValues(c.Name, "memory").Set(0)
	return &Endpoint{
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
	lines := 0
	for i := range b.Entries {
		lines += len(b.Entries[i].Line)
	}
	e.mu.Lock()
	if len(e.queue) == 0 {
		e.first = time.Now()
	}
	full := e.lines >= e.BatchBytes
	wake := len(e.queue) == 0 || !full && e.lines+lines >= e.BatchBytes
	e.queue = append(e.queue, b)
	e.lines += lines
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

// Run sends until ctx ends; then it sends what is left for up to FlushTimeout. It returns
// nil. What it could not send stays unreleased.
func (e *Endpoint) Run(ctx context.Context) error {
	defer e.client.CloseIdleConnections()
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(e.o.FlushTimeout, cancel)
		context.AfterFunc(sending, func() { timer.Stop() })
	})
	defer stop()
	for {
		batches := e.next(ctx)
		if batches == nil {
			return nil // ctx has ended and nothing is left
		}
		if err := e.send(sending, batches); err != nil {
			return nil // what is left is read again by the next process
		}
	}
}

// next waits until a request is due and returns its batches: as many as make BatchBytes,
// and at least one. Once ctx has ended it waits no more, and returns nil when there are none.
func (e *Endpoint) next(ctx context.Context) []*lighter.Batch {
	var due *time.Timer
	for {
		e.mu.Lock()
		wait, ready := e.due(ctx)
		if ready {
			batches := e.cut()
			e.mu.Unlock()
			return batches
		}
		e.mu.Unlock()
		var timer <-chan time.Time
		if wait > 0 {
			due = time.NewTimer(wait)
			timer = due.C
		}
		select {
		case <-e.more:
		case <-timer:
		case <-ctx.Done():
		}
		if due != nil {
			due.Stop()
		}
	}
}

// due reports whether a request is to be cut now, or else how long the lines that wait
// may go on waiting; 0 is until more come. e.mu is held.
func (e *Endpoint) due(ctx context.Context) (wait time.Duration, now bool) {
	switch {
	case ctx.Err() != nil, e.lines >= e.BatchBytes:
		return 0, true
	case len(e.queue) == 0:
		return 0, false
	}
	wait = min(time.Until(e.first.Add(e.BatchWait)), max(time.Until(e.last.Add(e.BatchWait)), time.Until(e.first.Add(minWait))))
	return wait, wait <= 0
}

// minWait is how long the first line after a pause waits for company: a line that comes
// after a quiet second is on its way at once, and still there is no more than a request a
// BatchWait while lines trickle.
const minWait = 20 * time.Millisecond

// cut takes the next request's batches off the queue. e.mu is held.
func (e *Endpoint) cut() []*lighter.Batch {
	n, size := 0, 0
	for n < len(e.queue) && size < e.BatchBytes {
		for i := range e.queue[n].Entries {
			size += len(e.queue[n].Entries[i].Line)
		}
		n++
	}
	if n == 0 {
		return nil
	}
	batches := e.queue[:n:n]
	e.queue = e.queue[n:]
	e.lines -= size
	if len(e.queue) == 0 {
		e.queue = nil
	}
	e.last = time.Now()
	return batches
}

// send delivers one request and releases its batches, unless ctx ends first.
func (e *Endpoint) send(ctx context.Context, batches []*lighter.Batch) error {
	entries, bytes := 0, 0
	for _, b := range batches {
		entries += len(b.Entries)
		bytes += b.Bytes
	}
	e.raw = e.encoder.encode(e.raw[:0], batches, e.text)
	e.body = snappy.Encode(e.body[:cap(e.body)], e.raw)
	err := e.sender.Deliver(ctx, send.Request{Body: e.body, Items: entries})
	if cap(e.raw) > 4*e.BatchBytes { // one huge line must not be paid for ever after
		e.raw, e.body = nil, nil
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.waiting.entries -= entries
	e.waiting.bytes -= bytes
	e.o.Metrics.queue.WithLabelValues(e.Name, "memory").Set(float64(e.waiting.bytes))
	e.mu.Unlock()
	for _, b := range batches {
		b.Release()
	}
	return nil
}

func (e *Endpoint) text(s *lighter.Stream) string { return s.Text(e, e.ExternalLabels) }

// Err returns why the endpoint is to be called not ready, nil if it is ready.
func (e *Endpoint) Err() error { return e.sender.Err() }

// Status is what the status page shows of an endpoint.
type Status struct {
	send.Status
	Name           string
	URL            string // without user info
	WaitingEntries int
	WaitingBytes   int
}

// Status returns what the endpoint's state is now.
func (e *Endpoint) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Status{Status: e.sender.Status(), Name: e.Name, URL: redacted.URL(e.URL), WaitingEntries: e.waiting.entries, WaitingBytes: e.waiting.bytes}
}

// Metrics is what all Loki endpoints of a process count.
type Metrics struct {
	delivered prometheus.Counter
	dropped   *prometheus.CounterVec
	queue     *prometheus.GaugeVec
}

// NewMetrics registers them on reg. queue is the process's lighter_queue_bytes, by
// endpoint and in.
func NewMetrics(reg prometheus.Registerer, queue *prometheus.GaugeVec) *Metrics {
	m := &Metrics{
		delivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lighter_log_lines_delivered_total", Help: "Log lines that an endpoint has taken; with several endpoints a line counts for each."}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lighter_log_lines_dropped_total", Help: "Log lines that an endpoint has refused for good, by its reason."}, []string{"endpoint", "reason"}),
		queue: queue,
	}
	reg.MustRegister(m.delivered, m.dropped)
	return m
}
