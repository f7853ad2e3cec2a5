package multiline

import (
	"context"
	"slices"
	"time"

	"lighter"
	"lighter/collector/stage"
)

// joiner is the stage of one log. Its groups stay open from one batch to the next. It holds the batches that
// the position must not pass while a group is open.
type joiner struct {
	Config
	*stage.HeldBatches
	metrics *Metrics
	log     stage.Log
	next    lighter.Logs

	groups  []group // by stream
	opened  int     // number of open groups
	streams []*lighter.Stream

	out output
}

func newJoiner(c Config, m *Metrics, log stage.Log, next lighter.Logs) *joiner {
	return &joiner{Config: c, HeldBatches: stage.NewHeldBatches(&m.held), metrics: m, log: log, next: next}
}

// Append implements lighter.Logs.
func (j *joiner) Append(ctx context.Context, b *lighter.Batch) error {
	if err := j.Lock(ctx); err != nil {
		return err
	}
	defer j.Unlock()
	j.streams = b.Streams
	if j.opened > 0 && j.endWith(b) {
		// The position may then move up to this batch, wherever in it the next group begins.
		if err := j.handOn(ctx, func(*group) bool { return true }); err != nil {
			return err
		}
	}
	j.join(b)
	full := j.Full(b)
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
		j.Adopt(b)
	}
	if err := j.pass(ctx, b); err != nil {
		return err
	}
	switch {
	case j.opened > 0:
		j.HoldBatch(b)
		j.wind()
	case j.Holds():
		j.LetGo(b)
	}
	j.count()
	return nil
}

// pass hands on what is left of b. If that fails, no more batches come, and the groups, which may have
// lines of b, are dropped.
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

// append hands on b. No line can arrive while next has no room, so that time does not count as waiting.
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

// join replaces the lines of b by the entries that they form.
func (j *joiner) join(b *lighter.Batch) {
	j.out.begin(b)
	for ; j.out.read < len(b.Entries); j.out.read++ {
		e := &b.Entries[j.out.read]
		if uint(e.Stream) >= uint(len(j.groups)) {
			j.groups = append(j.groups, make([]group, int(e.Stream)+1-len(j.groups))...)
		}
		g := &j.groups[e.Stream]
		if g.lines > 0 {
			p, rel := j.follows(g, e)
			if rel != ends {
				j.extend(g, *e, p, rel)
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

// begins returns the phase of a group that begins with line, or none.
func (j *joiner) begins(line []byte) phase {
	if j.FirstLine == nil {
		return begin(line)
	}
	if j.FirstLine.Match(line) {
		return declared
	}
	return none
}

// follows returns how e relates to the group, as far as that is known yet, and the group's phase after e.
func (j *joiner) follows(g *group, e *lighter.Entry) (phase, relation) {
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
	p, rel := g.phase.next(e.Line)
	if rel == mayJoin && (len(g.unsure) == maxUnsure || g.size()+g.unsureBytes+len(e.Line) >= j.MaxBytes) {
		return none, ends
	}
	return p, rel
}

// extend adds e, which joins the group or may join it. If a joining line would exceed a bound, the group's
// entry goes into the output, and the group continues with a new entry.
func (j *joiner) extend(g *group, e lighter.Entry, p phase, rel relation) {
	g.phase, g.last, g.due = p, e.Time, time.Time{}
	g.doubt(e)
	if rel == mayJoin {
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

// finish writes the group's entry and its unsure lines to the output, and closes the group.
func (j *joiner) finish(g *group) {
	j.put(g)
	for i := range g.unsure {
		j.out.put(g.unsure[i].entry(j.out.batch))
	}
	g.close()
	j.opened--
}

// put writes the entry of the group's lines to the output.
func (j *joiner) put(g *group) {
	j.out.put(g.entry(j.out.batch))
	if g.lines > 1 {
		j.metrics.joined.Add(float64(g.lines - 1))
	}
}

// endWith reports whether b ends every open group, with a line that does not belong to it.
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
		if _, rel := j.follows(g, &b.Entries[n]); rel != ends {
			return false
		}
		left--
	}
	return left == 0
}

// output overwrites the entries of a batch that have already been read.
type output struct {
	batch         *lighter.Batch
	read, written int
}

func (o *output) begin(b *lighter.Batch) { *o = output{batch: b} }

// pass writes the current entry.
func (o *output) pass() {
	if o.written < o.read {
		o.batch.Entries[o.written] = o.batch.Entries[o.read]
	}
	o.written++
}

// put writes an entry before the current one.
func (o *output) put(e lighter.Entry) {
	if o.written < o.read {
		o.batch.Entries[o.written] = e
	} else {
		o.batch.Entries = slices.Insert(o.batch.Entries, o.read, e)
		o.read++
	}
	o.written++
}

// end removes the entries that were read and not written.
func (o *output) end() {
	clear(o.batch.Entries[o.written:])
	o.batch.Entries = o.batch.Entries[:o.written]
	*o = output{}
}
