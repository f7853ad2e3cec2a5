package loki

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lighter"
	"lighter/exporters/endpoint"
	"lighter/exporters/internal/changes"
	"lighter/exporters/internal/stored"
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
	common  *endpoint.Endpoint
	queue   *endpoint.Disk
	logger  *slog.Logger
	started chan struct{} // capacity 1: a request has begun

	// mu guards what follows, and is taken before Endpoint.mu and limits.mu. It is held while a request moves
	// between the queue in memory, the sender and the disk, writing it included.
	mu       sync.Mutex
	inflight inflight
	reads    changes.Log   // failures to read what waits because Loki limits its stream
	failed   time.Time     // when the disk last did not take a request
	took     time.Duration // how long the delivery of the last request took
	packer   packer        // makes the requests that go to disk: the sender's holds what is being sent
}

// inflight is the request that is being sent, or is to be read for that. The zero value is none.
type inflight struct {
	batches []*lighter.Batch // what it was made of; nil if it is on disk
	request send.Request     // as it is sent
	since   time.Time        // when its delivery, or the reading, began; zero before
	record  queue.Record     // where it is on disk
	onDisk  bool
}

func newDisk(name string, common *endpoint.Endpoint, logger *slog.Logger) *disk {
	return &disk{common: common, queue: common.Disk, logger: logger.With("endpoint", name), started: make(chan struct{}, 1)}
}

// waits reports whether requests wait on disk, those in limitedLane not counted. Only the goroutine that
// sends calls it, between two requests, so that none of them is being sent.
func (d *disk) waits() bool { return d.queue.Len(0) > 0 }

// begin notes that the delivery of a request made from memory begins.
func (d *disk) begin(r send.Request) {
	d.mu.Lock()
	d.inflight.request, d.inflight.since = r, time.Now()
	d.mu.Unlock()
	d.start()
}

func (d *disk) start() {
	select {
	case d.started <- struct{}{}:
	default:
	}
}

// end notes that the delivery which begin or beginRead has noted is over; delivered reports whether the
// endpoint has taken the request or refused it for good. end reports whether the request is on disk: then
// its batches are released already, and the caller must not release them.
func (d *disk) end(delivered bool) (onDisk bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
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

// settle ends a record's sending. d.mu is held.
func (d *disk) settle(r queue.Record, delivered bool) {
	if !delivered {
		d.queue.Return(r)
		return
	}
	d.common.Acknowledged(d.queue.Ack(r))
	d.queue.Show()
}

// sendFromDisk sends the oldest request on disk, if there is one.
func (e *Endpoint) sendFromDisk(ctx context.Context) bool {
	d := e.disk
	record, ok := d.take()
	if !ok {
		return false
	}
	body, err := record.Body(e.packer.out.body[:0])
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
	e.packer.out.body = body
	r, err := d.parse(record, body)
	if err != nil {
		d.end(true)
		return true
	}
	r, err = e.withoutLimited(ctx, r)
	d.beginRead(r)
	if err == nil && r.Items > 0 {
		err = e.deliver(ctx, r)
	}
	d.end(err == nil)
	return true
}

// take takes the oldest request off the disk, if there is one. While it is read it counts as
// being sent: what is in memory goes to disk should that take long.
func (d *disk) take() (queue.Record, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.waits() {
		return queue.Record{}, false
	}
	record, ok, err := d.queue.TryNext(0)
	if !ok || err != nil {
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
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.queue.Len(0)
	d.queue.Return(r)
	if d.queue.Len(0) == before {
		return err
	}
	d.common.Damaged(r.Items, err)
	d.inflight = inflight{}
	return nil
}

// parse returns the request that a record's body is. A record that another version of lighter wrote
// is counted as dropped.
func (d *disk) parse(record queue.Record, body []byte) (send.Request, error) {
	h, body, err := stored.Parse(body, record.Items)
	if err != nil {
		d.common.Dropped(stored.ReasonFormat, record.Items)
		return send.Request{}, err
	}
	return send.Request{Body: body, Items: h.Items, Tenant: h.Tenant}, nil
}

// beginRead notes that the delivery of a request that was read begins.
func (d *disk) beginRead(r send.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inflight.request, d.inflight.since = r, time.Now()
	d.common.Readable()
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
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.inflight.since.IsZero()
}

// lags reports whether what is in memory should go to disk now.
func (e *Endpoint) lags() bool {
	d := e.disk
	d.mu.Lock()
	begun, onDisk, failed, took := d.inflight.since, d.inflight.onDisk, d.failed, d.took
	d.mu.Unlock()
	if begun.IsZero() || time.Since(failed) < spillAfter {
		return false
	}
	busy := time.Since(begun)
	e.mu.Lock()
	defer e.mu.Unlock()
	aged := len(e.queue) > 0 && time.Since(e.queue[0].came) > spillAfter
	slow := busy > lagAfter || took > lagAfter/2
	return busy > spillAfter && (!onDisk || aged) || e.waiting.Bytes > spillBytes && (onDisk || slow)
}

// spill brings what is in memory to disk: what is being sent, then what waits. At the end
// of the agent's life that is done whether the endpoint lags or not.
//
// Lines may come as fast as they go to disk, so this may take as long as the endpoint lags. The
// mu is let go of after each request: one that the endpoint has taken meanwhile must be
// acknowledged at once, or it would be sent again if the agent were killed.
func (e *Endpoint) spill(last bool) {
	for e.spillOne(last) {
	}
}

// spillOne brings one request to disk, and reports whether there may be another.
func (e *Endpoint) spillOne(last bool) bool {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := &d.inflight; f.batches != nil {
		if f.since.IsZero() || f.request.Items == 0 {
			return false // it is being packed, or nothing of it is left
		}
		if !d.save(0, f.request) {
			return false
		}
		batches := f.batches
		record, err := d.queue.Next(context.Background(), 0) // it is there, and the first: nothing is older
		if err != nil {
			d.logger.Error("a request cannot be taken back from the disk", "error", err)
			return false
		}
		f.batches, f.record, f.onDisk = nil, record, true
		e.release(batches)
		if last {
			d.settle(record, false)
			d.inflight = inflight{}
		}
		return true
	}
	e.mu.Lock()
	batches := e.head()
	e.mu.Unlock()
	if batches == nil {
		return false
	}
	r := d.packer.pack(batches, e.text)
	if r.Tenant, _ = e.tenants(batches[0]); !d.save(0, r) {
		return false
	}
	e.mu.Lock()
	e.drop(batches) // nobody else has: that is done with mu held
	e.mu.Unlock()
	e.release(batches)
	return true
}

// save writes a request to a lane on disk, or says why it cannot. d.mu is held.
func (d *disk) save(lane uint64, r send.Request) bool {
	put := d.queue.Put
	if lane == limitedLane {
		put = d.queue.PutMoved // it is what is left of a request that leaves the disk, or the memory
	}
	if err := put(lane, stored.Header{Items: r.Items, Tenant: r.Tenant}, r.Body); err != nil {
		d.failed = time.Now()
		d.common.DiskFailed(err)
		return false
	}
	d.common.DiskWorks()
	d.queue.Show()
	return true
}
