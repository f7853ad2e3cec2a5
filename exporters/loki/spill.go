package loki

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter"
	"lighter/exporters/queue"
	"lighter/exporters/send"
)

const (
	// lagAfter is how long a request may be under way before the endpoint counts as lagging.
	lagAfter = 2 * time.Second
	// spillBytes of batches in memory go to disk while the endpoint lags; fewer go when they
	// have waited for spillAfter, so that a container's removal does not take the only copy.
	spillBytes = 3 << 20
	spillAfter = 5 * time.Second
	// spillEvery is how often that is looked at while a request is under way.
	spillEvery = 500 * time.Millisecond
)

// disk is where batches wait when the endpoint lags. What is on disk is older than what
// is in the endpoint's memory, and what is being sent is older than both.
type disk struct {
	queue   *queue.Queue
	name    string // of the endpoint
	logger  *slog.Logger
	gauge   prometheus.Gauge
	started chan struct{} // capacity 1: a request has begun

	order    sync.Mutex    // held while something passes from one place to the next
	inflight inflight      // guarded by order
	said     string        // the failure that was logged last, of the present ones; guarded by order
	failed   time.Time     // when that was; guarded by order
	took     time.Duration // of the last request; guarded by order
	packer   packer        // of what goes to disk: the sender's holds what is being sent; guarded by order
}

// inflight is the request that is being sent. The zero value is none.
type inflight struct {
	batches []*lighter.Batch // what it was made of; nil if it is on disk
	request send.Request
	since   time.Time    // when its delivery began; zero before
	record  queue.Record // where it is on disk
	onDisk  bool
}

func openDisk(c Config, o Options) (*disk, error) {
	if c.Dir == "" {
		return nil, nil
	}
	q, err := queue.Open(queue.Options{
		Dir:      c.Dir,
		MaxBytes: c.MaxBytes,
		Lanes:    1,
		Full:     queue.Refuse,
		Dropped: func(reason string, _, items int) {
			o.Metrics.dropped.WithLabelValues(c.Name, reason).Add(float64(items))
		},
		Logger: o.Logger.With("endpoint", c.Name),
	})
	if err != nil {
		return nil, err
	}
	d := &disk{queue: q, name: c.Name, logger: o.Logger, gauge: o.Metrics.queue.WithLabelValues(c.Name, "disk"), started: make(chan struct{}, 1)}
	d.gauge.Set(float64(q.Stats().Bytes))
	return d, nil
}

// waits reports whether there is something on disk that is not being sent.
func (d *disk) waits() bool { return d.queue.Stats().Records > 0 }

// begin notes that the delivery of a request made from memory begins.
func (d *disk) begin(r send.Request) {
	d.order.Lock()
	d.inflight.request, d.inflight.since = r, time.Now()
	d.order.Unlock()
	select {
	case d.started <- struct{}{}:
	default:
	}
}

// end notes that it has ended, and reports whether the request had gone to disk meanwhile,
// which releases its batches.
func (d *disk) end(delivered bool) (onDisk bool) {
	d.order.Lock()
	defer d.order.Unlock()
	f := d.inflight
	d.took = time.Since(f.since)
	if !f.onDisk {
		if delivered {
			d.inflight = inflight{}
		} // else it is still to be saved
		return false
	}
	d.inflight = inflight{}
	d.settle(f.record, delivered)
	return true
}

// settle ends a record's sending. d.order is held.
func (d *disk) settle(r queue.Record, delivered bool) {
	if !delivered {
		d.queue.Return(r)
		return
	}
	if err := d.queue.Ack(r); err != nil {
		d.logger.Error("what was delivered cannot be taken off the disk, and is sent again after a restart", "endpoint", d.name, "error", err)
	}
	d.gauge.Set(float64(d.queue.Stats().Bytes))
}

// sendFromDisk sends the oldest request on disk, if there is one.
func (e *Endpoint) sendFromDisk(ctx context.Context) bool {
	d := e.disk
	d.order.Lock()
	if !d.waits() {
		d.order.Unlock()
		return false
	}
	record, err := d.queue.Next(ctx, 0)
	d.order.Unlock()
	if err != nil {
		return ctx.Err() == nil
	}
	body, err := record.Body(e.packer.block.body[:0])
	if err != nil {
		d.order.Lock()
		d.queue.Return(record)
		d.say("a request cannot be read from the disk", err)
		d.order.Unlock()
		pause(ctx, time.Second)
		return true
	}
	e.packer.block.body = body
	d.order.Lock()
	d.inflight = inflight{request: send.Request{Body: body, Items: record.Items}, since: time.Now(), record: record, onDisk: true}
	d.order.Unlock()
	select {
	case d.started <- struct{}{}:
	default:
	}
	d.end(e.sender.Deliver(ctx, send.Request{Body: body, Items: record.Items}) == nil)
	return true
}

// runSpill brings batches to disk while the endpoint lags, until ctx ends.
func (e *Endpoint) runSpill(ctx context.Context) {
	for {
		select {
		case <-e.disk.started:
		case <-ctx.Done():
			return
		}
		for e.disk.busy() && pause(ctx, spillEvery) {
			if e.lags() {
				e.spill(false)
			}
		}
	}
}

func (d *disk) busy() bool {
	d.order.Lock()
	defer d.order.Unlock()
	return !d.inflight.since.IsZero()
}

// lags reports whether what is in memory should go to disk now.
func (e *Endpoint) lags() bool {
	d := e.disk
	d.order.Lock()
	begun, onDisk, failed, took := d.inflight.since, d.inflight.onDisk, d.failed, d.took
	d.order.Unlock()
	if begun.IsZero() || time.Since(failed) < spillAfter {
		return false
	}
	busy := time.Since(begun)
	e.mu.Lock()
	defer e.mu.Unlock()
	aged := len(e.queue) > 0 && time.Since(e.first) > spillAfter
	slow := busy > lagAfter || took > lagAfter/2
	return busy > spillAfter && (!onDisk || aged) || e.waiting.bytes > spillBytes && (onDisk || slow)
}

// spill brings what is in memory to disk: what is being sent, then what waits. At the end
// of the agent's life that is done whether the endpoint lags or not.
func (e *Endpoint) spill(last bool) {
	d := e.disk
	d.order.Lock()
	defer d.order.Unlock()
	if f := &d.inflight; f.batches != nil {
		if f.since.IsZero() {
			return // it is being packed
		}
		if !d.save(f.request) {
			return
		}
		batches := f.batches
		record, err := d.queue.Next(context.Background(), 0) // it is there, and the first: nothing is older
		if err != nil {
			d.say("a request cannot be taken back from the disk", err)
			return
		}
		f.batches, f.record, f.onDisk = nil, record, true
		e.release(batches)
		if last {
			d.settle(record, false)
			d.inflight = inflight{}
		}
	}
	for {
		e.mu.Lock()
		batches := e.cut()
		e.mu.Unlock()
		if batches == nil {
			return
		}
		if !d.save(d.packer.pack(batches, e.text)) {
			e.uncut(batches)
			return
		}
		e.release(batches)
	}
}

// uncut puts batches back that cut has taken.
func (e *Endpoint) uncut(batches []*lighter.Batch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = append(batches, e.queue...)
	for _, b := range batches {
		e.lines += lineBytes(b)
		e.held += b.Bytes
	}
}

// save writes a request to disk, or says why it cannot. d.order is held.
func (d *disk) save(r send.Request) bool {
	err := d.queue.Append(0, r.Items, r.Body)
	switch {
	case errors.Is(err, queue.ErrFull):
		d.failed = time.Now()
		d.say("the buffer on disk is full (LIGHTER_BUFFER_MAX): reading stops until the endpoint takes data again, and Docker keeps the lines", err)
	case err != nil:
		d.failed = time.Now()
		d.say("log lines cannot go to the buffer on disk: reading stops when the memory for them is full", err)
	default:
		if d.said != "" {
			d.said = ""
			d.logger.Info("log lines go to the buffer on disk again", "endpoint", d.name)
		}
		d.gauge.Set(float64(d.queue.Stats().Bytes))
	}
	return err == nil
}

// say logs a failure, once until it changes. d.order is held.
func (d *disk) say(what string, err error) {
	if d.said == err.Error() {
		return
	}
	d.said = err.Error()
	d.logger.Warn(what, "endpoint", d.name, "error", err)
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
