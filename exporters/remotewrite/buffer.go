package remotewrite

import (
	"bytes"
	"sync"
	"time"

	"lighter/exporters/queue"
)

// buffer is what waits between Append and the shards: a line of records for each shard.
//
// With a queue on disk records go there, and memory takes them only while the disk does
// not. All that a line has on disk is older than what it has in memory: what memory has is
// written to disk, or sent, before the disk takes more of that line. Without a queue on
// disk records wait in memory alone. There they are bounded in bytes over all lines, and
// the oldest go first.
type buffer struct {
	disk  disk  // nil: there is none
	limit int64 // bytes in memory
	watch watcher

	mu      sync.Mutex
	lines   []line
	next    uint64 // number of the next item in memory
	bytes   int64  // of all that is in memory and is not done or dropped
	samples int    // likewise
	closed  bool
}

// disk is a queue on disk (queue.Queue).
type disk interface {
	Append(key uint64, items int, body []byte) error
	TryNext(lane int) (queue.Record, bool, error)
	Ack(queue.Record) error
	Return(queue.Record)
	Stats() queue.Stats
	Close() error
}

// watcher is told what happens to a buffer, by which it may be locked: it must not call it.
type watcher interface {
	dropped(reason string, samples int)
	diskFailed(err error) // a record was not taken
	diskWorks()           // one was
}

// line is what waits for one shard.
type line struct {
	memory  []item
	flying  int           // items of memory that are taken and not done
	overrun bool          // the disk took records while some of those flew
	changed chan struct{} // one value: as many samples as wanted were pushed, or the buffer closed
	pushed  int           // samples, since the shard last found nothing
	wanted  int           // samples that are worth waking the shard for

	// Owned by the shard's goroutine: what is gathered for a request, oldest first.
	taken   []item
	samples int
	bodies  []byte // memory of the bodies that were read from disk for it, used again for the next
}

func newBuffer(shards int, limit int64, disk disk, watch watcher) *buffer {
	b := &buffer{disk: disk, limit: limit, watch: watch, lines: make([]line, shards)}
	for i := range b.lines {
		b.lines[i].changed = make(chan struct{}, 1)
	}
	return b
}

// push adds records to the line of their key, in order, and keeps no reference to their
// bodies. It returns false, and takes nothing, when the buffer is closed.
func (b *buffer) push(key uint64, records []record) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	l := &b.lines[key%uint64(len(b.lines))]
	for _, r := range records {
		l.pushed += r.samples
		if b.write(l, key, r) {
			continue
		}
		r.body = bytes.Clone(r.body)
		l.memory = append(l.memory, item{record: r, key: key, number: b.next, arrived: time.Now()})
		b.next++
		b.account(r, +1)
		for b.bytes > b.limit && b.dropOldest() {
		}
	}
	if l.pushed >= l.wanted {
		l.wake()
	}
	return true
}

// write appends to the disk what the line has in memory, and then a record; false: the
// disk did not take the record.
func (b *buffer) write(l *line, key uint64, r record) bool {
	if b.disk == nil || !b.writeMemory(l) || !b.writeOne(l, key, r) {
		return false
	}
	b.watch.diskWorks()
	return true
}

// writeMemory appends to the disk what the line has in memory; false: not all of it.
func (b *buffer) writeMemory(l *line) bool {
	for len(l.memory) > 0 {
		it := l.memory[0]
		if !b.writeOne(l, it.key, it.record) {
			return false
		}
		l.shift()
		b.account(it.record, -1)
	}
	return true
}

func (b *buffer) writeOne(l *line, key uint64, r record) bool {
	if err := b.disk.Append(key, r.samples, r.body); err != nil {
		b.watch.diskFailed(err)
		return false
	}
	l.overrun = l.overrun || l.flying > 0
	return true
}

// dropOldest drops one item of memory that no shard has taken yet; false: there is none.
func (b *buffer) dropOldest() bool {
	var oldest *line
	for i := range b.lines {
		l := &b.lines[i]
		if len(l.memory) > 0 && (oldest == nil || l.memory[0].number < oldest.memory[0].number) {
			oldest = l
		}
	}
	if oldest == nil {
		return false
	}
	it := oldest.shift()
	b.account(it.record, -1)
	b.watch.dropped(queue.ReasonFull, it.samples)
	return true
}

// close ends the pushing; what waits is given out at once.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for i := range b.lines {
		b.lines[i].wake()
	}
}

// finish ends the buffer once nobody takes from it any more: it writes to disk what is in
// memory, as far as that can be done in order, and returns how many samples it could not keep.
func (b *buffer) finish() (lost int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.lines {
		l := &b.lines[i]
		var flown []item
		for _, it := range l.taken {
			if !it.onDisk {
				flown = append(flown, it)
			}
		}
		if l.overrun { // they are older than what the disk has of the line
			for _, it := range flown {
				b.account(it.record, -1)
				lost += it.samples
			}
			flown = nil
		}
		l.taken, l.flying, l.overrun = nil, 0, false
		l.memory = append(flown, l.memory...)
		if b.disk != nil {
			b.writeMemory(l)
		}
		for len(l.memory) > 0 {
			it := l.shift()
			b.account(it.record, -1)
			lost += it.samples
		}
	}
	if b.disk != nil {
		err = b.disk.Close()
	}
	return lost, err
}

// contents are what was pushed and is not done or dropped.
type contents struct {
	samples             int
	memoryBytes, onDisk int64
}

func (b *buffer) contents() contents {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := contents{samples: b.samples, memoryBytes: b.bytes}
	if b.disk != nil {
		st := b.disk.Stats()
		c.samples += st.Items
		if st.Records > 0 { // else it is only what is not tidied up yet
			c.onDisk = st.Bytes
		}
	}
	return c
}

func (b *buffer) account(r record, sign int) {
	b.bytes += int64(sign * (len(r.body) + itemOverhead))
	b.samples += sign * r.samples
}
