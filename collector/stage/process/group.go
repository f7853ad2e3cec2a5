package process

import (
	"slices"
	"time"

	"lighter"
)

// group is what a stage holds back of one label set: the lines of an entry of which more may come.
type group struct {
	key    groupKey
	first  *entry // the entry that it becomes; its memory is that of its batch
	lines  int    // 0 is a group that is not open
	text   []byte // of the lines, if joined
	joined bool
	last   int64 // time of the last line, as it was read

	began, latest int // numbers of the batches that the first and the last line came in

	wait time.Duration // after which it gets no more lines; 0 is never
	due  time.Time     // when that is; zero until the last line's batch is handed on
}

// groupKey is a stage, by its index, and the hash of a label set.
type groupKey struct {
	at     int
	labels uint64
}

// keptText is how much memory for text a group keeps while it is not open, bytes.
const keptText = 4 << 10

// hold begins the group's next entry with x, which is left to its caller.
func (r *runner) hold(g *group, x *entry) {
	if g.first == nil {
		g.first = r.take()
	}
	r.copyTo(g.first, x, x.batch)
}

// add adds a line of x to the group, which began with hold if begins. between is written between two lines.
func (r *runner) add(g *group, x *entry, line []byte, between string, begins bool) {
	if g.lines == 0 {
		g.began, g.latest = x.first, x.last
		r.open = append(r.open, g)
		if begins {
			g.first.Line, g.joined = line, false
		} else {
			g.text, g.joined = append(g.text[:0], line...), true
		}
	} else {
		if !g.joined {
			g.text, g.joined = append(g.text[:0], g.first.Line...), true
		}
		if len(g.text) > 0 {
			g.text = append(g.text, between...)
		}
		g.text = append(g.text, line...)
		g.began, g.latest = min(g.began, x.first), max(g.latest, x.last)
	}
	g.lines++
	g.last, g.due = x.read, time.Time{}
}

// finish has the entry of the group's lines go on behind the stage that holds it back. With again, more lines
// may begin another entry that is otherwise the same.
func (r *runner) finish(g *group, again bool) {
	b := r.batch
	if b == nil || g.latest != r.no {
		if r.earlier == nil {
			r.earlier = &lighter.Batch{}
			r.earlier.Begin(nil)
		}
		b = r.earlier
	}
	x := g.first
	if again || b != x.batch {
		x = r.take()
		r.copyTo(x, g.first, b)
		if !g.joined {
			x.Line = copied(b, g.first.Line)
		}
	}
	if g.joined {
		x.Line = copied(b, g.text)
	}
	x.first, x.last, x.read = g.began, g.latest, g.last
	switch {
	case again: // in memory that stays
		own := r.take()
		r.copyTo(own, g.first, &lighter.Batch{})
		own.Line = nil
		r.give(g.first)
		g.first = own
	case g.first != x:
		r.give(g.first)
		g.first = nil
	default:
		g.first = nil
	}
	g.lines, g.joined = 0, false
	if g.text = g.text[:0]; cap(g.text) > keptText {
		g.text = nil
	}
	if i := slices.Index(r.open, g); i >= 0 {
		r.open = slices.Delete(r.open, i, i+1)
	}
	r.run(x, g.key.at+1)
	r.give(x)
}
