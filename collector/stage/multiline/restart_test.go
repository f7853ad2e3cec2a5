package multiline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/stage"
	"lighter/collector/stage/multiline"
)

// endpoint keeps the batches that it gets until it is told to release them, in any order. A process that is
// killed loses those that were not released.
type endpoint struct {
	waiting   []*delivery
	delivered map[line]int // entries that were released
	seen      []line       // all entries received since the reader began, in order
	check     func(line)
}

type delivery struct {
	batch   *lighter.Batch
	entries []line
}

func (e *endpoint) Append(_ context.Context, b *lighter.Batch) error {
	d := &delivery{batch: b}
	for _, x := range b.Entries {
		l := line{time.Duration(x.Time), x.Stream, string(x.Line)}
		e.check(l)
		d.entries = append(d.entries, l)
		e.seen = append(e.seen, l)
	}
	b.Hold()
	e.waiting = append(e.waiting, d)
	return nil
}

// release releases batch i.
func (e *endpoint) release(i int) {
	d := e.waiting[i]
	e.waiting = slices.Delete(e.waiting, i, i+1)
	for _, l := range d.entries {
		e.delivered[l]++
	}
	d.batch.Done()
}

// randomLog makes a log of traces and other lines on both streams, with pauses in both.
func randomLog(r *rand.Rand, t *testing.T) []line {
	all := traces(t)
	var names []string
	for name, text := range all {
		if len(text) < 40 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var log []line
	at, n := time.Duration(0), 0
	for range 3 {
		var sides [2][]string
		for s := range sides {
			for range 6 {
				n++
				sides[s] = append(sides[s], fmt.Sprintf("plain line %d", n))
				if r.IntN(3) > 0 {
					n++
					sides[s] = append(sides[s], fmt.Sprintf("2026-01-01 line %d names an IOException", n))
				}
				text := slices.Clone(all[names[r.IntN(len(names))]])
				sides[s] = append(sides[s], text...)
			}
		}
		for len(sides[0])+len(sides[1]) > 0 {
			s := r.IntN(2)
			k := min(1+r.IntN(8), len(sides[s]))
			for _, text := range sides[s][:k] {
				at += time.Duration(1 + r.IntN(5e6))
				log = append(log, line{at, int32(s), text})
			}
			sides[s] = sides[s][k:]
		}
		at += time.Second
	}
	return log
}

// A log that is read by processes that are killed, and by readers that end and begin again, gives the same
// entries as if it had been read in one go: what precedes the position is delivered and not torn.
func TestRestarts(t *testing.T) {
	for name, c := range map[string]multiline.Config{
		"auto":    {},
		"pattern": {FirstLine: regexp.MustCompile(`^\S+:? |^\[`)},
	} {
		for seed := range uint64(30) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { restarts(t, c, seed) })
			})
		}
	}
}

func restarts(t *testing.T, c multiline.Config, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	log := randomLog(r, t)
	reference := through(t, c, log)
	wanted := map[line]bool{}
	for _, e := range reference {
		wanted[e] = true
	}
	end := &endpoint{delivered: map[line]int{}, check: func(l line) {
		if !wanted[l] {
			t.Fatalf("entry %v is not one of the log read at once", l)
		}
	}}
	store := position.InMemory()
	acked := position.Position{}
	for session := 0; ; session++ {
		cursor := store.Cursor("log")
		if !acked.IsZero() {
			cursor.Start(acked)
		}
		end.seen = nil
		s := multiline.Maker(c, metrics).New(stage.Log{}, end)
		more := read(t, r, log, s, end, cursor)
		checkOrder(t, reference, end.seen)
		checkPosition(t, log, reference, end.delivered, cursor.Acked())
		if !more {
			if err := s.(stage.Holder).Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			for len(end.waiting) > 0 {
				end.release(r.IntN(len(end.waiting)))
			}
			checkPosition(t, log, reference, end.delivered, cursor.Acked())
			for _, e := range reference {
				if end.delivered[e] == 0 {
					t.Fatalf("entry %v is lost", e)
				}
			}
			if got := linesBefore(log, cursor.Acked()); got != len(log) {
				t.Errorf("the position is after %d of %d lines", got, len(log))
			}
			s.(stage.Holder).Drop()
			return
		}
		before := cursor.Acked()
		s.(stage.Holder).Drop()
		if cursor.Acked() != before {
			t.Fatal("Drop moved the position")
		}
		if r.IntN(2) == 0 { // killed: unacknowledged batches do not count
			acked, store, end.waiting = before, position.InMemory(), nil
			continue
		}
		cursor.Done()
		acked = position.Position{}
		for len(end.waiting) > 0 && r.IntN(4) > 0 {
			end.release(r.IntN(len(end.waiting)))
			checkPosition(t, log, reference, end.delivered, cursor.Acked())
		}
	}
}

// read reads the log from the cursor's position for a while. It reports whether there is more.
func read(t *testing.T, r *rand.Rand, log []line, s lighter.Logs, end *endpoint, cursor *position.Cursor) (more bool) {
	pos := cursor.Read()
	log = log[linesBefore(log, pos):]
	for len(log) > 0 {
		if r.IntN(25) == 0 {
			return true
		}
		n := min(1+r.IntN(1+r.IntN(40)), len(log))
		for i := 1; i < n; i++ {
			if log[i].at-log[i-1].at > multiline.DefaultWait {
				n = i // the reader gets no line during a pause
			}
		}
		first := log[0].at
		for _, l := range log[:n] {
			pos = pos.After(int64(l.at))
		}
		mark := cursor.Mark(int64(first), pos, position.Bookmark{})
		b := batch(log[:n], mark.Ack)
		b.Origin = mark
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.Done()
		if n < len(log) && log[n].at-log[n-1].at > multiline.DefaultWait && r.IntN(2) == 0 {
			time.Sleep(4 * multiline.DefaultWait)
			synctest.Wait()
		}
		log = log[n:]
		for len(end.waiting) > 0 && r.IntN(3) > 0 {
			end.release(r.IntN(len(end.waiting)))
		}
	}
	return false
}

// linesBefore returns the number of lines before a position.
func linesBefore(log []line, p position.Position) int {
	skipper := position.NewSkipper(p)
	n := 0
	for n < len(log) && skipper.Skip(int64(log[n].at)) {
		n++
	}
	return n
}

// checkOrder checks that the entries of a stream arrive in order and without gaps.
func checkOrder(t *testing.T, reference, seen []line) {
	t.Helper()
	for stream := range int32(2) {
		want, got := of(stream, reference), of(stream, seen)
		if len(got) == 0 {
			continue
		}
		i := slices.Index(want, got[0])
		if !slices.Equal(want[i:min(i+len(got), len(want))], got) {
			t.Fatalf("the entries of stream %d are not in their order: %v", stream, got)
		}
	}
}

// checkPosition checks that everything before the position is delivered, and that the position tears no
// entry.
func checkPosition(t *testing.T, log, reference []line, delivered map[line]int, p position.Position) {
	t.Helper()
	n := linesBefore(log, p)
	if n == 0 {
		return
	}
	before := [2]int{len(of(0, log[:n])), len(of(1, log[:n]))}
	for _, e := range reference {
		have := before[e.stream]
		if have == 0 {
			continue
		}
		need := 1 + strings.Count(e.text, "\n")
		if need > have {
			t.Fatalf("the position is within an entry: %v", e)
		}
		if delivered[e] == 0 {
			t.Fatalf("the position is after an entry that is not delivered: %v", e)
		}
		before[e.stream] -= need
	}
}
