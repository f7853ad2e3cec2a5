package filelog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnything writes, rotates, acknowledges, stops and crashes at random, often with incomplete lines.
// Each process must hand on every line once, in order, from the first one that was not acknowledged.
func TestAnything(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anything(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

// model holds the content of a log and what a process must have handed on of it.
type model struct {
	*bench
	r     *rand.Rand
	lines []string          // all, in the order of the log
	open  map[string]string // incomplete lines, by stream
	first int               // index in lines of the first one that the current process must have
	kept  []int             // index of the first line of each file that the Engine keeps, oldest first
}

func anything(t *testing.T, r *rand.Rand) {
	m := &model{bench: newBench(t), r: r, open: map[string]string{}, kept: []int{0}}
	m.maxFile = 1 + r.IntN(4)
	m.compress = m.maxFile > 1 && r.IntN(2) == 0
	m.later = r.IntN(2) == 0
	tailer := m.tail()
	for range 150 {
		switch n := r.IntN(24); {
		case n < 10:
			for range r.IntN(20) {
				m.line()
			}
		case n < 12:
			m.turn()
		case n < 14:
			m.pack()
		case n < 17:
			time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		case n < 21:
			m.sink.Ack(r.IntN(4))
		case n < 23: // another Tailer in the same process sends nothing twice
			if err := tailer.stop(); err != nil {
				t.Fatal(err)
			}
			tailer = m.tail()
		default:
			time.Sleep(2 * time.Second)
			m.check()
			if err := tailer.stop(); err != nil {
				t.Fatal(err)
			}
			m.first = max(m.first+m.sink.Acked(), m.kept[0])
			m.restart(r.IntN(2) == 0)
			tailer = m.tail()
			time.Sleep(2 * time.Second) // until it has all files open
		}
	}
	m.containers.set(false, false)
	for _, stream := range []string{"stdout", "stderr"} {
		m.end(stream)
	}
	time.Sleep(5 * time.Second)
	m.check()
}

// line writes a line, or an incomplete one.
func (m *model) line() {
	stream := []string{"stdout", "stderr"}[m.r.IntN(2)]
	text := fmt.Sprintf("%d %s", m.r.IntN(1e6), strings.Repeat(`"<x>`, m.r.IntN(40)))
	m.now += int64(m.r.IntN(2)) * int64(m.r.IntN(2)) * int64(m.r.IntN(1e6))
	whole := m.r.IntN(10) > 0
	if m.open[stream] != "" || !whole {
		m.now++ // a message with the time of an open line is a piece of it
	}
	m.end("stdout") // both streams: a short line without an end is the last of the container's run
	m.end("stderr")
	if whole {
		m.write(m.now, stream, text)
		m.lines = append(m.lines, stream[3:]+": "+text)
		return
	}
	m.record(m.now, stream, text)
	m.open[stream] = stream[3:] + ": " + text
	m.now++
}

// end ends the incomplete lines, as the next line does.
func (m *model) end(stream string) {
	if m.open[stream] != "" {
		m.lines = append(m.lines, m.open[stream])
		delete(m.open, stream)
	}
}

// turn rotates when everything is read.
func (m *model) turn() {
	for len(m.open) > 0 { // so that each line is in one file
		m.line()
	}
	if m.size == 0 {
		return // the Engine rotates only full files
	}
	time.Sleep(2 * time.Second)
	m.rotate()
	m.now++ // its time alone does not distinguish a line from a deleted one of the same nanosecond
	m.kept = append(m.kept, len(m.lines))
	m.kept = m.kept[max(0, len(m.kept)-m.maxFile):]
}

// check checks the lines from first on. There may be more before them only if an incomplete line has held
// the position back.
func (m *model) check() {
	m.t.Helper()
	got := m.sink.Lines()
	start := len(m.lines) - len(got)
	if start < 0 || start > m.first || !slices.Equal(m.lines[start:], got) {
		m.t.Fatalf("%d lines from line %d on; want those from %d on, of %d; log:\n%s", len(got), start, m.first, len(m.lines), m.log)
	}
	m.first = start
}
