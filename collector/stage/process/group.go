package process

import (
	"slices"
	"time"

	"lighter"
)

// group holds the lines of one label set's entry that a stage holds back because more lines may follow.
type group struct {
	key    groupKey
	first  *entry // the resulting entry; uses the memory of its batch
	lines  int    // 0 if the group is not open
	text   []byte // the lines, if joined
	joined bool
	last   int64 // original time of the last line

	began, latest int // numbers of the batches of the first and the last line

	wait time.Duration // how long to wait for more lines; 0 means forever
	due  time.Time     // when the wait ends; zero until the last line's batch is handed on
}

// groupKey identifies a group by the index of its stage and the hash of a label set.
type groupKey struct {
	at     int
	labels uint64
}

// keptText is how many bytes of memory for text a closed group retains.
const keptText = 4 << 10

// hold begins the group's next entry with x. The caller keeps ownership of x.
func (r *runner) hold(g *group, x *entry) {
	if g.first == nil {
		g.first = r.take()
	}
	r.copyTo(g.first, x, x.batch)
}

// add adds a line of x to the group. If begins is true, x began the group with hold. between separates two
// lines.
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

// finish passes the entry of the group's lines on to the next stage. If again is true, the group remains
// for another entry that is otherwise the same.
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
	case again: // in memory that the group keeps
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
