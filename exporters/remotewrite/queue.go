package remotewrite

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// queue is what waits between Append and the shards: a line of items for each shard, all
// of them together bounded in bytes. A queue on disk goes between push and take.
type queue struct {
	limit    int64
	gauge    prometheus.Gauge
	overflow func(samples int, first bool) // told of what is dropped; first since there was room

	mu      sync.Mutex
	shards  []line
	next    uint64 // number of the next item pushed
	bytes   int64  // of all that was pushed and is not done or dropped
	samples int    // likewise
	full    bool   // something was dropped since there was room
	closed  bool
}

// line is the queue of one shard.
type line struct {
	items   []item
	samples int
	changed chan struct{} // one value: something was pushed, or the queue closed
}

// linger is how long the first item waits for others, so that a hundred small targets do
// not make a hundred small requests. It ends early when a request is full.
const linger = time.Second

func newQueue(shards int, limit int64, gauge prometheus.Gauge, overflow func(samples int, first bool)) *queue {
	q := &queue{limit: limit, gauge: gauge, overflow: overflow, shards: make([]line, shards)}
	for i := range q.shards {
		q.shards[i].changed = make(chan struct{}, 1)
	}
	gauge.Set(0)
	return q
}

// push adds items to a shard's line and drops the oldest of all lines when there are too
// many bytes. It returns false, and takes nothing, when the queue is closed.
func (q *queue) push(shard int, items []item) bool {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	l := &q.shards[shard]
	for _, it := range items {
		it.number, it.arrived = q.next, now
		q.next++
		l.items = append(l.items, it)
		l.samples += it.samples
		q.account(it, +1)
	}
	for q.bytes > q.limit && q.dropOldest() {
	}
	q.gauge.Set(float64(q.bytes))
	l.wake()
	return true
}

// dropOldest drops one item that no shard has taken yet; false: there is none.
func (q *queue) dropOldest() bool {
	var oldest *line
	for i := range q.shards {
		l := &q.shards[i]
		if len(l.items) > 0 && (oldest == nil || l.items[0].number < oldest.items[0].number) {
			oldest = l
		}
	}
	if oldest == nil {
		return false
	}
	it := oldest.shift()
	q.account(it, -1)
	first := !q.full
	q.full = true
	q.overflow(it.samples, first)
	return true
}

// take waits for items of a shard and returns at least one and then as many as fit in max
// samples, in order. The caller says done when they need not be kept any longer. It
// returns false when ctx has ended, or the queue is closed and the line is empty.
func (q *queue) take(ctx context.Context, shard, max int) ([]item, bool) {
	l := &q.shards[shard]
	for {
		if ctx.Err() != nil {
			return nil, false
		}
		items, wait, ok := q.tryTake(l, max)
		if len(items) > 0 || !ok {
			return items, ok
		}
		if !l.wait(ctx, wait) {
			return nil, false
		}
	}
}

// tryTake returns items, or how long to wait for them (0: until something changes), or
// false when there will be none.
func (q *queue) tryTake(l *line, max int) (items []item, wait time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(l.items) == 0 {
		return nil, 0, !q.closed
	}
	if age := time.Since(l.items[0].arrived); !q.closed && l.samples < max && age < linger {
		return nil, linger - age, true
	}
	samples := 0
	for len(l.items) > 0 && (samples == 0 || samples+l.items[0].samples <= max) {
		it := l.shift()
		samples += it.samples
		items = append(items, it)
	}
	return items, 0, true
}

// done says that items which take returned are delivered or refused for good.
func (q *queue) done(items []item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range items {
		q.account(it, -1)
	}
	q.full = false
	q.gauge.Set(float64(q.bytes))
}

// close ends the pushing; what waits is given out at once.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for i := range q.shards {
		q.shards[i].wake()
	}
}

// discard drops everything, what was taken and is not done included, and returns its samples.
func (q *queue) discard() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.samples
	for i := range q.shards {
		q.shards[i].items, q.shards[i].samples = nil, 0
	}
	q.bytes, q.samples = 0, 0
	q.gauge.Set(0)
	return n
}

// waiting returns what was pushed and is not done or dropped.
func (q *queue) waiting() (samples int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.samples, q.bytes
}

func (q *queue) account(it item, sign int) {
	q.bytes += int64(sign * it.size())
	q.samples += sign * it.samples
}

func (l *line) shift() item {
	it := l.items[0]
	l.items[0] = item{} // its memory is not kept by the line's
	l.items = l.items[1:]
	l.samples -= it.samples
	return it
}

func (l *line) wake() {
	select {
	case l.changed <- struct{}{}:
	default: // it is told already
	}
}

// wait returns when the line changes or after d, if d is above zero; false: ctx has ended.
func (l *line) wait(ctx context.Context, d time.Duration) bool {
	var after <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-l.changed:
	case <-after:
	case <-ctx.Done():
		return false
	}
	return true
}
