package loki

import (
	"context"
	"errors"
	"fmt"
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
	// readAgain is how long it is until a request that cannot be read from the disk is tried again.
	readAgain = time.Second
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
	said     string        // the failure to write that was logged last, of the present ones; guarded by order
	failed   time.Time     // when that was; guarded by order
	damage   bool          // logged, and nothing was read since; guarded by order
	progress progress      // of the oldest request on disk; guarded by order
	took     time.Duration // of the last request; guarded by order
	packer   packer        // of what goes to disk: the sender's holds what is being sent; guarded by order
}

// inflight is the request that is being sent, or is to be read for that. The zero value is none.
type inflight struct {
	batches []*lighter.Batch // what it was made of; nil if it is on disk
	request send.Request     // as it is sent
	since   time.Time        // when its delivery, or the reading, began; zero before
	done    int              // its first entries that the endpoint is finished with, while it is sent in parts
	record  queue.Record     // where it is on disk
	stored  []byte           // what is there
	skipped int              // how many entries stored has before those of request; negative: how many it lacks
	onDisk  bool
}

func openDisk(c Config, o Options) (*disk, error) {
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
	d := &disk{
		queue:    q,
		name:     c.Name,
		logger:   o.Logger,
		gauge:    o.Metrics.queue.WithLabelValues(c.Name, "disk"),
		started:  make(chan struct{}, 1),
		progress: loadProgress(c.Dir),
	}
	d.gauge.Set(float64(q.Stats().Bytes))
	return d, nil
}

// waits reports whether there is something on disk. Who asks sends nothing meanwhile, so that
// nothing of it is being sent.
func (d *disk) waits() bool { return d.queue.Stats().Records > 0 }

// begin notes that the delivery of a request made from memory begins, and returns the request
// as it is to be delivered.
func (d *disk) begin(r send.Request) send.Request {
	r.Finished = d.finished
	d.order.Lock()
	d.inflight.request, d.inflight.since = r, time.Now()
	d.order.Unlock()
	d.start()
	return r
}

func (d *disk) start() {
	select {
	case d.started <- struct{}{}:
	default:
	}
}

// finished notes that the endpoint has got the first entries of the request that is being sent.
func (d *disk) finished(entries int) {
	d.order.Lock()
	defer d.order.Unlock()
	f := &d.inflight
	if f.done = entries; f.onDisk {
		d.progress.save(f.stored, f.skipped+entries)
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
	d.progress.clear()
	d.gauge.Set(float64(d.queue.Stats().Bytes))
}

// sendFromDisk sends the oldest request on disk, if there is one.
func (e *Endpoint) sendFromDisk(ctx context.Context) bool {
	d := e.disk
	record, ok := d.take(ctx)
	if !ok {
		return false
	}
	body, err := record.Body(e.packer.block.body[:0])
	if err != nil {
		if err = d.unread(record, err); err != nil {
			err = fmt.Errorf("%w. It is tried again each second. To have what came later sent without it, stop the agent and move that file away", err)
		}
		if e.sender.Unreadable(err); err != nil {
			send.Pause(ctx, readAgain)
		}
		return true
	}
	e.sender.Unreadable(nil)
	e.packer.block.body = body
	r := d.beginRead(body, record.Items)
	d.end(e.sender.Deliver(ctx, r) == nil)
	return true
}

// take takes the oldest request off the disk, if there is one. While it is read it counts as
// being sent: what is in memory goes to disk should that take long.
func (d *disk) take(ctx context.Context) (queue.Record, bool) {
	d.order.Lock()
	defer d.order.Unlock()
	if !d.waits() {
		return queue.Record{}, false
	}
	record, err := d.queue.Next(ctx, 0)
	if err != nil {
		return queue.Record{}, false
	}
	since := d.inflight.since // of the first attempt to read it
	if since.IsZero() {
		since = time.Now()
	}
	d.inflight = inflight{since: since, record: record, onDisk: true}
	d.start()
	return record, true
}

// unread gives back a record that could not be read. It returns why the record still waits; nil:
// it is damaged, and dropped.
func (d *disk) unread(r queue.Record, err error) error {
	d.order.Lock()
	defer d.order.Unlock()
	before := d.queue.Stats().Records
	d.queue.Return(r)
	if d.queue.Stats().Records == before {
		return err
	}
	if !d.damage {
		d.damage = true
		d.logger.Error("log lines that waited on disk are damaged: they are dropped, and counted as buffer_damaged", "endpoint", d.name, "lines", r.Items, "error", err)
	}
	d.inflight = inflight{}
	return nil
}

// beginRead notes that the delivery of a request that was read begins, and returns what of it is
// to be delivered.
func (d *disk) beginRead(body []byte, items int) send.Request {
	d.order.Lock()
	defer d.order.Unlock()
	r := send.Request{Body: body, Items: items}
	skipped := d.progress.of(body)
	if skipped > 0 {
		r, skipped = without(r, skipped)
	}
	r.Finished = d.finished
	f := &d.inflight
	f.request, f.stored, f.skipped, f.since = r, body, skipped, time.Now()
	d.damage = false
	return r
}

// without returns a request without its first entries, and how many that are: none if the
// request cannot be taken apart.
func without(r send.Request, entries int) (send.Request, int) {
	if entries <= 0 || entries >= r.Items {
		return r, 0
	}
	_, rest, err := splitAt(r, entries)
	if err != nil {
		return r, 0
	}
	return rest, entries
}

// runSpill brings batches to disk while the endpoint lags, until ctx ends.
func (e *Endpoint) runSpill(ctx context.Context) {
	for {
		select {
		case <-e.disk.started:
		case <-ctx.Done():
			return
		}
		for e.disk.busy() && send.Pause(ctx, spillEvery) {
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
	aged := len(e.queue) > 0 && time.Since(e.queue[0].came) > spillAfter
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
		rest, done := without(f.request, f.done)
		if !d.save(rest) {
			return
		}
		batches := f.batches
		record, err := d.queue.Next(context.Background(), 0) // it is there, and the first: nothing is older
		if err != nil {
			d.say("a request cannot be taken back from the disk", err)
			return
		}
		f.batches, f.record, f.stored, f.skipped, f.onDisk = nil, record, rest.Body, -done, true
		e.release(batches)
		if last {
			d.settle(record, false)
			d.inflight = inflight{}
		}
	}
	for {
		e.mu.Lock()
		batches := e.head()
		e.mu.Unlock()
		if batches == nil || !d.save(d.packer.pack(batches, e.text)) {
			return
		}
		e.mu.Lock()
		e.drop(batches) // nobody else has: that is done with order held
		e.mu.Unlock()
		e.release(batches)
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

// say logs a failure to write, once until it changes. d.order is held.
func (d *disk) say(what string, err error) {
	if d.said == err.Error() {
		return
	}
	d.said = err.Error()
	d.logger.Warn(what, "endpoint", d.name, "error", err)
}
