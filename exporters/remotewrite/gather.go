package remotewrite

import (
	"context"
	"time"

	"lighter/exporters/endpoint"
	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
)

// minLinger is how long a block that comes after a pause waits for others, so that a hundred small targets
// do not make a hundred small requests.
const minLinger = 50 * time.Millisecond

// take waits for blocks of a shard and returns at least one and then as many as fit in
// most samples, in order. The caller says done when they need not be kept any longer, or
// putBack; what they hold is valid until the next take. It returns false when ctx has ended,
// or the buffer is closed and the shard empty; and an error when the disk cannot be read, after
// which the same blocks come again.
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
		wait := time.Duration(0) // until something changes
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

// gather moves what waits to the shard's taken until that is full: a request, and no more
// fits. One that is on disk and does not fit stays there.
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
	return true, false, nil // whether it is closed does not matter
}

// keptBodies is the most memory that a shard keeps for the bodies of its next request.
const keptBodies = 1 << 20

// reuse makes the memory of bodies free for others, if nothing that is taken lies in it.
func (l *shardQueue) reuse() {
	if len(l.taken) > 0 || cap(l.bodies) > keptBodies {
		l.bodies = nil
	}
	l.bodies = l.bodies[:0]
}

// read reads the body of a block that is on disk.
func (l *shardQueue) read(r queue.Record) (body []byte, err error) {
	from := len(l.bodies)
	l.bodies, err = r.Body(l.bodies)
	return l.bodies[from:], err
}

// oldest takes the oldest block of a shard, and reports whether there is one. If there is none, the shard
// will be woken when there is one, or when those that it has gathered and the new ones are max samples:
// until then it waits as long as linger says. A block that is on disk comes without its body, which
// is read without the lock.
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

// done says that blocks which take returned are delivered or refused for good.
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

// putBack takes back blocks that take returned and that were not sent.
func (b *buffer) putBack(shard int, items []item) {
	l := &b.queues[shard]
	l.taken = append(items, l.taken...)
	for _, it := range items {
		l.samples += it.samples
	}
}

// parse takes the header off a block that was read from disk, and reports whether this version can read it.
func (it *item) parse() bool {
	h, body, err := stored.Parse(it.body, it.samples)
	it.tenant, it.body = h.Tenant, body
	return err == nil && it.known()
}

// split returns those of the taken that are of one tenant and fit in max samples, one at least.
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
	l.memory[0] = item{} // its body is not kept by the shard's array
	l.memory = l.memory[1:]
	return it
}

func (l *shardQueue) wake() {
	select {
	case l.changed <- struct{}{}:
	default: // it is told already
	}
}
