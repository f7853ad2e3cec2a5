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
	// lagAfter is how long a request may take before the endpoint counts as lagging.
	lagAfter = 2 * time.Second
	// spillBytes is the amount of batches in memory that goes to disk while the endpoint lags. Less goes to
	// disk after it has waited for spillAfter, so that the removal of a container does not take the only
	// copy.
	spillBytes = 3 << 20
	spillAfter = 5 * time.Second
	// spillEvery is how often that is checked during a request.
	spillEvery = 500 * time.Millisecond
	// readAgain is the pause before a request that cannot be read from the disk is tried again.
	readAgain = time.Second
)

// disk is where batches wait when the endpoint lags. Data on disk is older than data in the endpoint's
// memory, and the request being sent is older than both.
type disk struct {
	common  *endpoint.Endpoint
	queue   *endpoint.Disk
	logger  *slog.Logger
	started chan struct{} // capacity 1: receives a value when a request has begun

	// mu guards the fields below, and is locked before Endpoint.mu and limits.mu. It is held while a
	// request moves between the queue in memory, the sender and the disk, including writing it to disk.
	mu       sync.Mutex
	inflight inflight
	reads    changes.Log   // failures to read what waits because Loki limits its stream
	failed   time.Time     // when the disk last failed to accept a request
	took     time.Duration // how long the delivery of the last request took
	packer   packer        // packs requests that go to disk, because the sender's packer holds the one being sent
}

// inflight is the request that is being sent, or being read in order to be sent. The zero value means none.
type inflight struct {
	batches []*lighter.Batch // the batches in the request; nil if it is on disk
	request send.Request     // as it is sent
	since   time.Time        // when its delivery, or reading it, began; zero before that
	record  queue.Record     // its record on disk
	onDisk  bool
}

func newDisk(name string, common *endpoint.Endpoint, logger *slog.Logger) *disk {
	return &disk{common: common, queue: common.Disk, logger: logger.With("endpoint", name), started: make(chan struct{}, 1)}
}

// waits reports whether requests wait on disk, not counting limitedLane. Only the goroutine that sends
// calls it, between two requests, so that none of them is being sent.
func (d *disk) waits() bool { return d.queue.Len(0) > 0 }

// begin records that the delivery of a request from memory begins.
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

// end records that the delivery recorded by begin or beginRead is over. delivered reports whether the
// endpoint has taken the request or refused it for good. end reports whether the request is on disk. In
// that case its batches have already been released, and the caller must not release them.
func (d *disk) end(delivered bool) (onDisk bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.inflight
	d.took = time.Since(f.since)
	if !f.onDisk {
		if delivered {
			d.inflight = inflight{}
		} // otherwise it must still be saved
		return false
	}
	d.inflight = inflight{}
	d.settle(f.record, delivered)
	return true
}

// settle ends the sending of a record. The caller holds d.mu.
func (d *disk) settle(r queue.Record, delivered bool) {
	if !delivered {
		d.queue.Return(r)
		return
	}
	d.common.Acknowledged(d.queue.Ack(r))
	d.queue.Show()
}

// sendFromDisk sends the oldest request on disk, if any.
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

// take takes the oldest request from the disk, if any. While the request is being read it counts as being
// sent, so that data in memory goes to disk if reading takes long.
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

// unread returns a record that could not be read. It returns the reason why the record still waits, or nil
// if the record is damaged and was dropped.
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

// parse decodes the request in a record's body. It counts a record that another version of lighter wrote as
// dropped.
func (d *disk) parse(record queue.Record, body []byte) (send.Request, error) {
	h, body, err := stored.Parse(body, record.Items)
	if err != nil {
		d.common.Dropped(stored.ReasonFormat, record.Items)
		return send.Request{}, err
	}
	return send.Request{Body: body, Items: h.Items, Tenant: h.Tenant}, nil
}

// beginRead records that the delivery of a request that was read begins.
func (d *disk) beginRead(r send.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inflight.request, d.inflight.since = r, time.Now()
	d.common.Readable()
}

// runSpill moves batches to disk while the endpoint lags, until ctx ends.
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

// lags reports whether data in memory should go to disk now.
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

// spill moves data in memory to disk: first the request being sent, then the queue. At the end of the
// agent's life it does so whether or not the endpoint lags.
//
// Lines may arrive as fast as they are moved, so spill may take as long as the endpoint lags. It releases
// mu after each request: a request that the endpoint has taken in the meantime must be acknowledged at
// once, or it would be sent again after a kill.
func (e *Endpoint) spill(last bool) {
	for e.spillOne(last) {
	}
}

// spillOne moves one request to disk, and reports whether there may be another.
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
		record, err := d.queue.Next(context.Background(), 0) // it exists and is the first, because nothing is older
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
	e.drop(batches) // the batches are still there, because mu is held
	e.mu.Unlock()
	e.release(batches)
	return true
}

// save writes a request to a lane on disk, or logs why it cannot. The caller holds d.mu.
func (d *disk) save(lane uint64, r send.Request) bool {
	put := d.queue.Put
	if lane == limitedLane {
		put = d.queue.PutMoved // it is the rest of a request that leaves the disk, or the memory
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
