package remotewrite

import (
	"bytes"
	"sync"
	"time"

	"lighter/exporters/endpoint"
	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
)

// buffer holds what waits between Append and the shards: a queue of blocks for each shard.
//
// If there is a queue on disk, blocks go there, and memory takes them only while the disk fails. A shard's
// blocks on disk are always older than those in memory: blocks in memory are written to disk, or sent,
// before the disk takes new ones of that shard. Without a queue on disk, blocks wait in memory only. There
// the bytes of all shards together are limited, and the oldest blocks are dropped first.
type buffer struct {
	disk   *endpoint.Disk                                       // nil if there is none
	put    func(key uint64, h stored.Header, body []byte) error // disk.Put; tests replace it
	limit  int64                                                // bytes in memory
	linger endpoint.Pace                                        // how long the first block of a request waits for others, unless the request is full
	losses *endpoint.Losses

	mu      sync.Mutex
	queues  []shardQueue
	next    uint64           // number of the next item in memory
	waiting endpoint.Waiting // in memory: blocks that are neither done nor dropped
	closed  bool
}

// shardQueue holds what waits for one shard.
type shardQueue struct {
	memory     []item
	inRequests int           // number of items of memory that are taken and not done
	overtaken  bool          // the disk took blocks while items of memory were in requests, so that these are older than the blocks on disk
	changed    chan struct{} // capacity 1: receives a value when enough samples were pushed, or the buffer was closed
	pushed     int           // number of samples pushed since the shard last found nothing
	wanted     int           // number of samples at which to wake the shard

	// Owned by the shard's goroutine: the items gathered for a request, oldest first.
	taken   []item
	samples int
	last    time.Time // when the last request was gathered
	bodies  []byte    // memory of the bodies read from disk for it, reused for the next
}

func newBuffer(shards int, limit int64, wait time.Duration, disk *endpoint.Disk, losses *endpoint.Losses) *buffer {
	b := &buffer{disk: disk, limit: limit, linger: endpoint.Pace{Least: min(minLinger, wait), Most: wait}, losses: losses, queues: make([]shardQueue, shards)}
	if disk != nil {
		b.put = disk.Put
	}
	for i := range b.queues {
		b.queues[i].changed = make(chan struct{}, 1)
	}
	return b
}

// push adds blocks, in order, to the queue of the shard of their key, and keeps no reference to their
// bodies. If the buffer is closed, it returns false and adds nothing.
func (b *buffer) push(key uint64, blocks []packed) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	l := &b.queues[key%uint64(len(b.queues))]
	for _, r := range blocks {
		l.pushed += r.samples
		if b.write(l, key, r) {
			continue
		}
		r.body = bytes.Clone(r.body)
		l.memory = append(l.memory, item{packed: r, key: key, number: b.next, arrived: time.Now()})
		b.next++
		b.account(r, +1)
		for b.waiting.Bytes > b.limit && b.dropOldest() {
		}
	}
	if l.pushed >= l.wanted {
		l.wake()
	}
	return true
}

// write appends to the disk what the shard has in memory, and then a block. It returns false if the disk
// did not accept the block.
func (b *buffer) write(l *shardQueue, key uint64, r packed) bool {
	if b.disk == nil || !b.writeMemory(l) || !b.writeOne(l, key, r) {
		return false
	}
	b.losses.DiskWorks()
	return true
}

// writeMemory appends to the disk what the shard has in memory. It returns false if something remains.
func (b *buffer) writeMemory(l *shardQueue) bool {
	for len(l.memory) > 0 {
		it := l.memory[0]
		if !b.writeOne(l, it.key, it.packed) {
			return false
		}
		l.shift()
		b.account(it.packed, -1)
	}
	return true
}

func (b *buffer) writeOne(l *shardQueue, key uint64, r packed) bool {
	if err := b.put(key, stored.Header{Items: r.samples, Tenant: r.tenant}, r.body); err != nil {
		b.losses.DiskFailed(err)
		return false
	}
	l.overtaken = l.overtaken || l.inRequests > 0
	return true
}

// dropOldest drops one item of memory that no shard has taken yet. It returns false if there is none.
func (b *buffer) dropOldest() bool {
	var oldest *shardQueue
	for i := range b.queues {
		l := &b.queues[i]
		if len(l.memory) > 0 && (oldest == nil || l.memory[0].number < oldest.memory[0].number) {
			oldest = l
		}
	}
	if oldest == nil {
		return false
	}
	it := oldest.shift()
	b.account(it.packed, -1)
	b.losses.Dropped(queue.ReasonFull, it.samples)
	return true
}

// close ends pushing; waiting items are handed out at once.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for i := range b.queues {
		b.queues[i].wake()
	}
}

// finish ends the buffer once nobody takes from it any more. It writes what is in memory to disk, as far as
// the order allows, and returns the number of samples that it could not keep.
func (b *buffer) finish() (lost int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.queues {
		l := &b.queues[i]
		var unsent []item
		for _, it := range l.taken {
			if !it.onDisk {
				unsent = append(unsent, it)
			}
		}
		if l.overtaken { // they are older than the shard's blocks on disk
			for _, it := range unsent {
				b.account(it.packed, -1)
				lost += it.samples
			}
			unsent = nil
		}
		l.taken, l.inRequests, l.overtaken = nil, 0, false
		l.memory = append(unsent, l.memory...)
		if b.disk != nil {
			b.writeMemory(l)
		}
		for len(l.memory) > 0 {
			it := l.shift()
			b.account(it.packed, -1)
			lost += it.samples
		}
	}
	return lost
}

// inMemory returns the amount of data that waits in memory.
func (b *buffer) inMemory() endpoint.Waiting {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting
}

// onDisk returns the amount of data that waits on disk.
func (b *buffer) onDisk() endpoint.Waiting {
	if b.disk == nil {
		return endpoint.Waiting{}
	}
	return b.disk.Waiting()
}

// account adds a block to the amount that waits in memory, or subtracts it if sign is -1.
func (b *buffer) account(r packed, sign int) {
	b.waiting.Add(endpoint.Waiting{Items: sign * r.samples, Bytes: int64(sign * (len(r.body) + itemOverhead))})
}
