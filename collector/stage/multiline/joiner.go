package multiline

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"lighter"
	"lighter/collector/stage"
)

// joiner is the stage of one log. Its groups are open from one batch to the next; held are the batches that
// the position must not pass while one is.
type joiner struct {
	Config
	metrics *Metrics
	log     stage.Log
	next    lighter.Logs

	// turn has room for one: who puts something in works on what follows. The clock's goroutine does so
	// for as long as next has no room, so that Append must be able to give up.
	turn    chan struct{}
	groups  []group // by stream
	opened  int     // groups that are open
	streams []*lighter.Stream

	held      []*lighter.Batch // the oldest first
	heldBytes int
	emptied   int          // bytes of the held batches that were handed on without entries, see adopt
	lines     atomic.Int64 // number of lines that are held back

	out output

	timer   *time.Timer               // calls expire; nil until it is needed
	reading atomic.Pointer[time.Time] // when the log's reader began to read; nil while it does not
	dropped context.Context           // ends with Drop
	drop    context.CancelFunc
}

// What is held is bounded even if each batch ends within an entry, for one log and for all. An entry may be torn
// then.
const (
	maxHeldBytes   = 1 << 20
	maxHeldBatches = 256
	maxHeldByAll   = 8 << 20
)

func newJoiner(c Config, m *Metrics, log stage.Log, next lighter.Logs) *joiner {
	j := &joiner{Config: c, metrics: m, log: log, next: next, turn: make(chan struct{}, 1)}
	j.dropped, j.drop = context.WithCancel(context.Background())
	j.Resume()
	return j
}

// take waits until nobody else works on the joiner.
func (j *joiner) take(ctx context.Context) error {
	select {
	case j.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *joiner) give() { <-j.turn }

// Append implements lighter.Logs.
func (j *joiner) Append(ctx context.Context, b *lighter.Batch) error {
	if err := j.take(ctx); err != nil {
		return err
	}
	defer j.give()
	j.streams = b.Streams
	if j.opened > 0 && j.endWith(b) {
		// The position may move to before this batch, wherever the next group begins.
		if err := j.handOn(ctx, func(*group) bool { return true }); err != nil {
			return err
		}
	}
	j.join(b)
	full := j.heldBytes+b.Bytes > maxHeldBytes || len(j.held) == maxHeldBatches || j.metrics.held.Load()+int64(b.Bytes) > maxHeldByAll
	for i := range j.groups {
		g := &j.groups[i]
		switch {
		case !g.open():
		case full:
			j.finish(g)
		default:
			g.keep(b)
		}
	}
	j.out.end()
	if j.opened == 0 {
		j.adopt(b)
	}
	if err := j.pass(ctx, b); err != nil {
		return err
	}
	switch {
	case j.opened > 0:
		j.holdBatch(b)
		j.wind()
	case len(j.held) > 0:
		j.release(b)
	}
	j.count()
	return nil
}

// pass hands on what is left of b. With an error no more batches come, and the groups, which may have lines
// of b, are forgotten.
func (j *joiner) pass(ctx context.Context, b *lighter.Batch) error {
	if j.opened == 0 {
		return j.next.Append(ctx, b)
	}
	err := j.append(ctx, b)
	if err != nil {
		j.closeAll()
	}
	return err
}

// append hands on b. No line can come while next has no room, so that time is not counted.
func (j *joiner) append(ctx context.Context, b *lighter.Batch) error {
	begun := time.Now()
	err := j.next.Append(ctx, b)
	blocked := time.Since(begun)
	for i := range j.groups {
		if g := &j.groups[i]; !g.due.IsZero() {
			g.due = g.due.Add(blocked)
		}
	}
	return err
}

func (j *joiner) closeAll() {
	for i := range j.groups {
		j.groups[i].close()
	}
	j.opened = 0
}

// join puts the entries that b's lines make into it.
func (j *joiner) join(b *lighter.Batch) {
	j.out.begin(b)
	for ; j.out.read < len(b.Entries); j.out.read++ {
		e := &b.Entries[j.out.read]
		if uint(e.Stream) >= uint(len(j.groups)) {
			j.groups = append(j.groups, make([]group, int(e.Stream)+1-len(j.groups))...)
		}
		g := &j.groups[e.Stream]
		if g.lines > 0 {
			p, v := j.follows(g, e)
			if v != ends {
				j.extend(g, *e, p, v)
				continue
			}
			j.finish(g)
			e = &b.Entries[j.out.read] // finish may have moved it
		}
		if p := j.begins(e.Line); p != none {
			j.opened++
			g.begin(*e, p)
			continue
		}
		j.out.pass()
	}
}

// begins returns the phase of a group that begins with line; none if none does.
func (j *joiner) begins(line []byte) phase {
	if j.FirstLine == nil {
		return begin(line)
	}
	if j.FirstLine.Match(line) {
		return declared
	}
	return none
}

// follows tells whether e belongs to the group, as far as that can be told now.
func (j *joiner) follows(g *group, e *lighter.Entry) (phase, verdict) {
	if e.Time-g.last > int64(j.Wait) {
		return none, ends
	}
	if j.FirstLine != nil {
		if j.FirstLine.Match(e.Line) {
			return none, ends
		}
		return declared, joins
	}
	if structured(e.Line) {
		return none, ends
	}
	p, v := g.phase.next(e.Line)
	if v == mayJoin && (len(g.unsure) == maxUnsure || g.size()+g.unsureBytes+len(e.Line) >= j.MaxBytes) {
		return none, ends
	}
	return p, v
}

// extend adds e, which joins the group or may join it. If it joins it, the group's entry may be put into the
// output because of its bounds, and the group goes on with another one.
func (j *joiner) extend(g *group, e lighter.Entry, p phase, v verdict) {
	g.phase, g.last, g.due = p, e.Time, time.Time{}
	g.doubt(e)
	if v == mayJoin {
		return
	}
	for i := range g.unsure {
		h := &g.unsure[i]
		if g.lines < j.MaxLines && g.size()+1+len(h.Line) <= j.MaxBytes {
			g.add(h.Line)
			continue
		}
		j.put(g)
		g.first, g.lines, g.joined = *h, 1, false
	}
	clear(g.unsure)
	g.unsure, g.unsureBytes = g.unsure[:0], 0
}

// finish puts the group's entry, and its unsure lines, into the output, and closes it.
func (j *joiner) finish(g *group) {
	j.put(g)
	for i := range g.unsure {
		j.out.put(g.unsure[i].entry(j.out.batch))
	}
	g.close()
	j.opened--
}

// put puts the entry of the lines that belong to the group into the output.
func (j *joiner) put(g *group) {
	j.out.put(g.entry(j.out.batch))
	if g.lines > 1 {
		j.metrics.joined.Add(float64(g.lines - 1))
	}
}

// endWith reports whether each open group ends with a line of b.
func (j *joiner) endWith(b *lighter.Batch) bool {
	left := j.opened
	for i := range j.groups {
		g := &j.groups[i]
		if !g.open() {
			continue
		}
		n := slices.IndexFunc(b.Entries, func(e lighter.Entry) bool { return int(e.Stream) == i })
		if n < 0 {
			return false
		}
		if _, v := j.follows(g, &b.Entries[n]); v != ends {
			return false
		}
		left--
	}
	return left == 0
}

// output writes entries over those of a batch that are read already.
type output struct {
	batch         *lighter.Batch
	read, written int
}

func (o *output) begin(b *lighter.Batch) { *o = output{batch: b} }

// pass writes the entry that is read.
func (o *output) pass() {
	if o.written < o.read {
		o.batch.Entries[o.written] = o.batch.Entries[o.read]
	}
	o.written++
}

// put writes an entry before the one that is read.
func (o *output) put(e lighter.Entry) {
	if o.written < o.read {
		o.batch.Entries[o.written] = e
	} else {
		o.batch.Entries = slices.Insert(o.batch.Entries, o.read, e)
		o.read++
	}
	o.written++
}

// end cuts off what is read and not written.
func (o *output) end() {
	clear(o.batch.Entries[o.written:])
	o.batch.Entries = o.batch.Entries[:o.written]
	*o = output{}
}
