package remotewrite

import (
	"context"
	"time"

	"lighter/exporters/queue"
)

// linger is how long the first record waits for others, so that a hundred small targets do
// not make a hundred small requests. It ends early when a request is full.
const linger = time.Second

// take waits for records of a shard and returns at least one and then as many as fit in
// max samples, in order. The caller says done when they need not be kept any longer, or
// putBack; what they hold is valid until the next take. It returns false when ctx has ended,
// or the buffer is closed and the line empty; and an error when the disk cannot be read, after
// which the same records come again.
func (b *buffer) take(ctx context.Context, shard, max int) ([]item, bool, error) {
	l := &b.lines[shard]
	l.reuse()
	for {
		if ctx.Err() != nil {
			return nil, false, nil
		}
		full, closed, err := b.gather(l, shard, max)
		if err != nil {
			return nil, true, err
		}
		wait := time.Duration(0) // until something changes
		if len(l.taken) > 0 {
			wait = min(linger, linger-time.Since(l.taken[0].arrived))
			if closed || full || wait <= 0 {
				return l.split(max), true, nil
			}
		} else if closed {
			return nil, false, nil
		}
		if !l.wait(ctx, wait) {
			return nil, false, nil
		}
	}
}

// gather moves what waits to the line's taken until that is full: a request, and no more
// fits. One that is on disk and does not fit stays there.
func (b *buffer) gather(l *line, shard, max int) (full, closed bool, err error) {
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
			if !it.known() {
				b.watch.dropped(reasonFormat, it.samples)
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

// keptBodies is the most memory that a line keeps for the bodies of its next request.
const keptBodies = 1 << 20

// reuse makes the memory of bodies free for others, if nothing that is taken lies in it.
func (l *line) reuse() {
	if len(l.taken) > 0 || cap(l.bodies) > keptBodies {
		l.bodies = nil
	}
	l.bodies = l.bodies[:0]
}

// read reads the body of a record that is on disk.
func (l *line) read(r queue.Record) (body []byte, err error) {
	from := len(l.bodies)
	l.bodies, err = r.Body(l.bodies)
	return l.bodies[from:], err
}

// oldest takes the oldest record of a line; false: there is none, and the shard will be woken
// when there is one, or when those that it has gathered and the new ones are max samples:
// until then it waits for linger to pass. One that is on disk comes without its body, which
// is read without the lock.
func (b *buffer) oldest(l *line, shard, max int) (it item, ok, closed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.disk != nil {
		r, ok, err := b.disk.TryNext(shard)
		if ok || err != nil {
			return item{record: record{samples: r.Items}, arrived: r.Time, stored: r, onDisk: true}, ok, b.closed, err
		}
	}
	if len(l.memory) == 0 {
		l.pushed, l.wanted = 0, 1
		if len(l.taken) > 0 {
			l.wanted = max - l.samples
		}
		return item{}, false, b.closed, nil
	}
	l.flying++
	return l.shift(), true, b.closed, nil
}

// done says that records which take returned are delivered or refused for good.
func (b *buffer) done(shard int, items []item) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &b.lines[shard]
	var first error
	for _, it := range items {
		if !it.onDisk {
			l.flying--
			b.account(it.record, -1)
		} else if err := b.disk.Ack(it.stored); err != nil && first == nil {
			first = err
		}
	}
	if l.flying == 0 {
		l.overrun = false
	}
	return first
}

// putBack takes back records that take returned and that were not sent.
func (b *buffer) putBack(shard int, items []item) {
	l := &b.lines[shard]
	l.taken = append(items, l.taken...)
	for _, it := range items {
		l.samples += it.samples
	}
}

// split returns those of the taken that fit in max samples, one at least.
func (l *line) split(max int) []item {
	n, samples := 0, 0
	for n < len(l.taken) && (n == 0 || samples+l.taken[n].samples <= max) {
		samples += l.taken[n].samples
		n++
	}
	items := l.taken[:n:n]
	l.taken = append([]item(nil), l.taken[n:]...)
	l.samples -= samples
	return items
}

func (l *line) shift() item {
	it := l.memory[0]
	l.memory[0] = item{} // its body is not kept by the line's array
	l.memory = l.memory[1:]
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
