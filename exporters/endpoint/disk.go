package endpoint

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
)

// Disk is the queue on disk of an endpoint: a queue.Queue whose records have a header.
type Disk struct {
	*queue.Queue

	gauge prometheus.Gauge

	mu     sync.Mutex
	record []byte // buffer for a record
}

func openDisk(o Options, losses *Losses) (*Disk, error) {
	q, err := queue.Open(queue.Options{
		Dir:      o.Dir,
		MaxBytes: o.MaxBytes,
		Lanes:    o.Lanes,
		Full:     o.Full,
		Dropped:  func(reason string, _, items int) { losses.Dropped(reason, items) },
		Logger:   losses.logger,
	})
	if err != nil {
		return nil, err
	}
	d := &Disk{Queue: q, gauge: o.Metrics.Queue.WithLabelValues(o.Name, "disk")}
	d.Show()
	return d, nil
}

// keptRecord is the most memory that a Disk retains for the next record.
const keptRecord = 4 << 20

// Put appends a body with its header. It returns the errors of queue.Queue's Append.
func (d *Disk) Put(key uint64, h stored.Header, body []byte) error {
	return d.put(d.Append, key, h, body)
}

// PutMoved is Put using queue.Queue's AppendMoved.
func (d *Disk) PutMoved(key uint64, h stored.Header, body []byte) error {
	return d.put(d.AppendMoved, key, h, body)
}

func (d *Disk) put(appendTo func(key uint64, items int, body []byte) error, key uint64, h stored.Header, body []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cap(d.record) > keptRecord {
		d.record = nil
	}
	d.record = stored.Append(d.record[:0], h, body)
	return appendTo(key, h.Items, d.record)
}

// Waiting returns the amount of data that waits on disk.
func (d *Disk) Waiting() Waiting {
	st := d.Stats()
	if st.Records == 0 {
		st.Bytes = 0 // the remaining bytes have only not been deleted yet
	}
	return Waiting{st.Items, st.Bytes}
}

// Show sets lighter_queue_bytes to the bytes that wait on disk.
func (d *Disk) Show() { d.gauge.Set(float64(d.Waiting().Bytes)) }
