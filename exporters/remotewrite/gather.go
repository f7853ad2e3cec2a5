package remotewrite

import (
	"context"
	"time"

	"lighter/exporters/endpoint"
	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
)

// minLinger is how long a block after a pause waits for others, so that a hundred small targets do not make
// a hundred small requests.
const minLinger = 50 * time.Millisecond

// take waits for blocks of a shard. It returns at least one, and as many in order as fit in most samples.
// The caller calls done when they need not be kept any longer, or putBack. Their memory is valid until the
// next take. take returns false when ctx has ended, or the buffer is closed and the shard empty. It returns
// an error if the disk cannot be read; the next take returns the same blocks.
func (b *buffer) take(ctx context.Context, shard, most int) ([]item, bool, error) {
	l := &b.queues[shard]
	l.reuse()
	for {
		if ctx.Err() != nil {
			return nil, false, nil
		}
		full, closed, err := b.gather(l, shard, most)
		if err != nil {
			return nil, true, err
		}
		wait := time.Duration(0) // 0 means until something changes
		if len(l.taken) > 0 {
			wait = b.linger.Wait(l.taken[0].arrived, l.last)
			if closed || full || wait <= 0 {
				l.last = time.Now()
				return l.split(most), true, nil
			}
		} else if closed {
			return nil, false, nil
		}
		if !endpoint.Await(ctx, l.changed, wait) {
			return nil, false, nil
		}
	}
}

// gather moves waiting blocks to the shard's taken until it is full: it contains a request, and no more
// fits. A block on disk that does not fit stays there.
func (b *buffer) gather(l *shardQueue, shard, max int) (full, closed bool, err error) {
	for l.samples < max {
		it, ok, closed, err := b.oldest(l, shard, max)
		if err != nil || !ok {
			return false, closed, err
		}
		if it.onDisk {
			if len(l.taken) > 0 && l.samples+it.samples > max {
				b.disk.Return(it.stored)
				break
			}
			if it.body, err = l.read(it.stored); err != nil {
				b.disk.Return(it.stored)
				return false, closed, err
			}
			if !it.parse() {
				b.losses.Dropped(stored.ReasonFormat, it.samples)
				if err := b.disk.Ack(it.stored); err != nil {
					return false, closed, err
				}
				continue
			}
		}
		l.taken = append(l.taken, it)
		l.samples += it.samples
	}
	return true, false, nil // then it does not matter whether it is closed
}

// keptBodies is the most memory that a shard retains for the bodies of its next request.
const keptBodies = 1 << 20

// reuse makes the memory of bodies available again, unless a taken item uses it.
func (l *shardQueue) reuse() {
	if len(l.taken) > 0 || cap(l.bodies) > keptBodies {
		l.bodies = nil
	}
	l.bodies = l.bodies[:0]
}

// read reads the body of a block on disk.
func (l *shardQueue) read(r queue.Record) (body []byte, err error) {
	from := len(l.bodies)
	l.bodies, err = r.Body(l.bodies)
	return l.bodies[from:], err
}

// oldest takes the oldest block of a shard. If there is none, it returns false, and the shard will be woken
// when there is one, or, while linger makes it wait, when the gathered blocks and the new ones reach max
// samples. A block on disk comes without its body, which is read without holding the lock.
func (b *buffer) oldest(l *shardQueue, shard, max int) (it item, ok, closed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.disk != nil {
		r, ok, err := b.disk.TryNext(shard)
		if ok || err != nil {
			return item{packed: packed{samples: r.Items}, arrived: r.Time, stored: r, onDisk: true}, ok, b.closed, err
		}
	}
	if len(l.memory) == 0 {
		l.pushed, l.wanted = 0, 1
		if len(l.taken) > 0 {
			l.wanted = max - l.samples
		}
		return item{}, false, b.closed, nil
	}
	l.inRequests++
	return l.shift(), true, b.closed, nil
}

// done declares that blocks returned by take are delivered or refused for good.
func (b *buffer) done(shard int, items []item) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &b.queues[shard]
	var first error
	for _, it := range items {
		if !it.onDisk {
			l.inRequests--
			b.account(it.packed, -1)
		} else if err := b.disk.Ack(it.stored); err != nil && first == nil {
			first = err
		}
	}
	if l.inRequests == 0 {
		l.overtaken = false
	}
	return first
}

// putBack returns blocks from take that were not sent.
func (b *buffer) putBack(shard int, items []item) {
	l := &b.queues[shard]
	l.taken = append(items, l.taken...)
	for _, it := range items {
		l.samples += it.samples
	}
}

// parse removes the header from a block that was read from disk. It returns false if the block has another
// version.
func (it *item) parse() bool {
	h, body, err := stored.Parse(it.body, it.samples)
	it.tenant, it.body = h.Tenant, body
	return err == nil && it.known()
}

// split returns taken blocks that belong to one tenant and fit in max samples, at least one.
func (l *shardQueue) split(max int) []item {
	n, samples := 0, 0
	for n < len(l.taken) && (n == 0 || samples+l.taken[n].samples <= max && l.taken[n].tenant == l.taken[0].tenant) {
		samples += l.taken[n].samples
		n++
	}
	items := l.taken[:n:n]
	l.taken = append([]item(nil), l.taken[n:]...)
	l.samples -= samples
	return items
}

func (l *shardQueue) shift() item {
	it := l.memory[0]
	l.memory[0] = item{} // so that the shard's array does not retain its body
	l.memory = l.memory[1:]
	return it
}

func (l *shardQueue) wake() {
	select {
	case l.changed <- struct{}{}:
	default: // it already has a value
	}
}
