package dockerlog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// piece is a piece of a line of stdout, or of stderr if its time is that of stderr's line.
func piece(of record, text string) record { return record{of.at, of.stream, text} }

// An Engine that returns lines twice must not move the position past the content of the log. Otherwise a
// line that the other stream's writer wrote just before and logged just after would be lost.
func TestRepeatsDoNotMoveThePosition(t *testing.T) {
	for name, then := range map[string]func(s *script) (before []string){
		"kill": func(s *script) []string { s.kill(); return nil },
		"break": func(s *script) []string {
			s.breakOff()
			return []string{"out: 1", "out: 2"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t)
				s.rotate(0)
				s.write(out(1000, "1"), out(2000, "2"))
				s.expect("out: 1", "out: 2")
				s.reopen()
				s.settle()
				s.sink.AckAll()
				want := then(s)
				s.write(errs(1999, "3"), out(2001, "4"))
				s.expect(append(want, "err: 3", "out: 4")...)
			})
		})
	}
}

func TestRepeats(t *testing.T) {
	long := out(30, "")
	for name, tc := range map[string]struct {
		first    []record // before the Engine opens the file again
		then     []record // afterwards
		twice    int      // how many times it does so; 0 means once
		want     []string
		repeated float64
	}{
		"all":        {first: []record{out(1, "1"), errs(2, "2"), out(3, "3")}, then: []record{out(4, "4")}, want: []string{"out: 1", "err: 2", "out: 3", "out: 4"}, repeated: 3},
		"the last":   {first: []record{out(1, "1")}, then: []record{out(2, "2")}, want: []string{"out: 1", "out: 2"}, repeated: 1},
		"many times": {first: []record{out(1, "1"), out(2, "2")}, then: []record{errs(1, "3")}, twice: 5, want: []string{"out: 1", "out: 2", "err: 3"}, repeated: 10},
		"lines of whole microseconds among them": {
			first: []record{out(1, "1"), {scriptTime + 1999, 1, "2\n"}, {scriptTime + 2999, 2, "3\n"}, out(4, "4")},
			want:  []string{"out: 1", "out: 2", "err: 3", "out: 4"}, repeated: 4,
		},
		"a line of pieces":      {first: []record{out(1, "1"), piece(long, "a"), piece(long, "a"), piece(long, "a\n"), out(40, "2")}, then: []record{out(50, "3")}, want: []string{"out: 1", "out: aaa", "out: 2", "out: 3"}, repeated: 3},
		"in a line of pieces":   {first: []record{out(1, "1"), piece(long, "a"), piece(long, "a")}, then: []record{piece(long, "b\n"), out(40, "2")}, want: []string{"out: 1", "out: aab", "out: 2"}, repeated: 1},
		"in the other's pieces": {first: []record{out(1, "1"), piece(errs(2, ""), "a")}, then: []record{out(3, "2"), piece(errs(2, ""), "b\n")}, want: []string{"out: 1", "out: 2", "err: ab"}, repeated: 1},
		"in pieces, and first a line of pieces": {
			first: []record{piece(out(1, ""), "1"), piece(out(1, ""), "1\n"), errs(2, "2"), piece(long, "a")}, then: []record{piece(long, "b\n")},
			want: []string{"out: 11", "err: 2", "out: ab"}, repeated: 2,
		},
		"first the last piece of a line, after the other's": {
			first: []record{piece(out(1, ""), "a"), errs(2, "1"), piece(out(1, ""), "b\n"), out(4, "2")}, then: []record{out(5, "3")},
			want: []string{"err: 1", "out: ab", "out: 2", "out: 3"}, repeated: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t)
				s.write(out(0, "before"))
				s.rotate(0)
				s.write(tc.first...)
				for range max(tc.twice, 1) {
					s.settle()
					s.reopen()
				}
				s.settle()
				s.write(tc.then...)
				s.expect(append([]string{"out: before"}, tc.want...)...)
				if n := testutil.ToFloat64(s.metrics.Repeated); n != tc.repeated {
					t.Errorf("repeated = %v, want %v", n, tc.repeated)
				}
				s.sink.AckAll()
				s.kill()
				s.write(errs(40, "next"))
				s.expect("err: next")
			})
		})
	}
}

// Repeats that are not recognised are sent twice, but they neither move the position nor end an incomplete
// line: a process that continues from there receives everything that is unacknowledged.
func TestUnknownRepeats(t *testing.T) {
	for name, tc := range map[string]struct{ last, then, want record }{
		"a late line":               {out(5001, "last"), errs(5000, "late"), errs(5000, "late")},
		"a line that was not whole": {piece(out(5001, ""), "a"), piece(out(5001, ""), "b\n"), out(5001, "ab")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t)
				for i := range int64(5000) {
					s.write(out(i, fmt.Sprint(i)))
				}
				s.write(tc.last)
				s.settle()
				n := len(s.sink.Lines())
				s.change(func() { s.follower.next, s.follower.limit = 0, 100 })
				s.settle()
				if again := s.sink.Lines()[n:]; len(again) < 100 {
					t.Fatalf("%d lines came again, want 100: they were before what is remembered", len(again))
				}
				s.sink.AckAll()
				s.kill()
				s.write(tc.then)
				s.expect([]string{"", "out: ", "err: "}[tc.want.stream] + strings.TrimSuffix(tc.want.text, "\n"))
			})
		})
	}
}

// Lines that merely resemble others are sent.
func TestHonestLines(t *testing.T) {
	coarse := func(text string) record { return record{scriptTime - 1 + 5000, 1, text + "\n"} }
	same := func(text string) record { return record{scriptTime + 5000, 1, text + "\n"} }
	var flood []record
	var flooded []string
	for i := range int64(10_000) {
		flood = append(flood, out(10_000_000+i, fmt.Sprint("f", i)))
		flooded = append(flooded, fmt.Sprint("out: f", i))
	}
	for name, tc := range map[string]struct {
		in    []record
		want  []string
		again int // how many of the last lines are sent again after a kill: those that resemble others
	}{
		"a clock of microseconds":   {[]record{coarse("x"), coarse("x"), coarse("x")}, []string{"out: x", "out: x", "out: x"}, 2},
		"a clock of ticks":          {[]record{same("x"), same("y"), same("z"), same("x"), same("y")}, []string{"out: x", "out: y", "out: z", "out: x", "out: y"}, 2},
		"equal at different times":  {[]record{out(1, "x"), out(2, "x")}, []string{"out: x", "out: x"}, 0},
		"equal in both streams":     {[]record{out(1, "x"), errs(1, "x")}, []string{"out: x", "err: x"}, 0},
		"a clock set back a little": {[]record{out(9, "1"), out(5, "2"), out(6, "3"), out(9, "4")}, []string{"out: 1", "out: 2", "out: 3", "out: 4"}, 1},
		"a clock set back":          {[]record{out(9_000_000, "1"), out(5, "2"), out(6, "3")}, []string{"out: 1", "out: 2", "out: 3"}, 0},
		"a clock set back, long ago": {
			slices.Concat(flood, []record{out(1, "a"), out(2, "b")}),
			append(slices.Clone(flooded), "out: a", "out: b"), 0,
		},
		"a clock set back among lines long ago": {
			slices.Concat(flood, []record{{flood[5].at + 7, 1, "a\n"}, {flood[6].at + 7, 1, "b\n"}}),
			append(slices.Clone(flooded), "out: a", "out: b"), 2,
		},
		"a clock set back by seconds among lines long ago": {
			slices.Concat([]record{out(5_000_000, "p"), out(5_000_010, "q")}, flood, []record{{scriptTime + 5_000_005_007, 1, "a\n"}, {scriptTime + 5_000_006_007, 1, "b\n"}}),
			slices.Concat([]string{"out: p", "out: q"}, flooded, []string{"out: a", "out: b"}), 2,
		},
	} {
		for _, everyLine := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, filter on every line %t", name, everyLine), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScript(t)
					s.everyLine = everyLine
					s.write(tc.in...)
					s.expect(tc.want...)
					if n := testutil.ToFloat64(s.metrics.Repeated); n != 0 {
						t.Errorf("repeated = %v, want 0", n)
					}
					s.sink.AckAll()
					s.kill()
					s.write(out(20_000_000, "next"))
					s.expect(append(slices.Clone(tc.want[len(tc.want)-tc.again:]), "out: next")...)
				})
			})
		}
	}
}

// TestAnyRepeats randomly writes, rotates, acknowledges, breaks, kills, and makes the Engine repeat and
// skip. Every line must be acknowledged in some process, in the order of the log, and none twice where
// nothing died and no repeat was longer than the window.
func TestAnyRepeats(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anyRepeats(t, rand.New(rand.NewPCG(seed, 4))) })
		})
	}
}

// model holds the content of the log and the state of each line.
type model struct {
	*script
	r        *rand.Rand
	now      int64
	last     [3]int64       // time of each stream's last line; 0 after the clock was set back
	began    [3]int64       // time of each stream's incomplete line
	pieces   [3]string      // the incomplete line of each stream, as a sink shows it
	lines    map[string]int // by text, as a sink shows it: the place in the order of the log
	count    int            // number of lines that have begun
	stepped  int            // count when the clock was last set back
	reached  int            // the last record that the follower had read at a reopen
	followed int            // number of followers at that time
	skipped  map[int]bool   // lines that the Engine skipped
	acked    map[int]bool
	mayTwo   bool // lines may be sent twice
	long     bool // repeats may be longer than the window
}

func anyRepeats(t *testing.T, r *rand.Rand) {
	m := &model{script: newScript(t), r: r, now: scriptTime, lines: map[string]int{}, skipped: map[int]bool{}, acked: map[int]bool{}}
	kills, breaks, skips, steps := r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(3) == 0, r.IntN(4) == 0
	repeats := !steps || !kills && !breaks // Engines that repeat leave out what is before the requested time, as after a clock was set back
	m.long = r.IntN(20) == 0
	m.everyLine = !steps
	m.mayTwo = kills || breaks && skips
	t.Logf("kills %t breaks %t skips %t steps %t long %t", kills, breaks, skips, steps, m.long)
	for range 120 {
		switch n := r.IntN(20); {
		case n < 8:
			m.write(m.some(1 + r.IntN(30))...)
		case n == 8 && m.long:
			m.write(m.some(3000)...)
		case n == 9 && steps && len(m.log) > m.first:
			m.now -= 11e8 + r.Int64N(5e9)
			m.last, m.stepped = [3]int64{}, m.count
		case n == 9 || n == 10:
			m.endPieces()
			m.rotate(m.first)
		case n < 14 && repeats:
			m.again(skips)
		case n == 14:
			m.stand(r.IntN(40))
		case n < 17:
			m.stand(-1)
			m.sink.Ack(r.IntN(8))
		case n == 17:
			synctest.Wait()
			if _, next, _ := m.look(); next == len(m.log) && m.stepped < m.count && m.pieces == [3]string{} {
				m.sink.AckAll()
				m.scripted.first = m.file              // rotated records are delivered
				m.mayTwo = m.mayTwo || steps && breaks // the second line to count from may be gone, too
				m.last = [3]int64{0, m.now, m.now}     // its time alone does not distinguish a line from one before the deleted records
			}
		case n == 18 && breaks:
			m.breakOff()
			m.settle()
			m.reached = 0
		case n == 19 && kills:
			m.check()
			m.kill()
			m.reached = 0
		}
		if r.IntN(2) == 0 {
			synctest.Wait()
		}
	}
	m.endPieces()
	m.stand(-1)
	m.settle()
	m.sink.AckAll()
	m.check()
	for line, n := range m.lines {
		if !m.acked[n] && !m.skipped[n] {
			t.Fatalf("%q, line %d of %d, is lost", line, n, len(m.lines))
		}
	}
}

// some makes records: lines of both streams, some in pieces, some of the one between the pieces of the
// other.
func (m *model) some(n int) (all []record) {
	for range n {
		m.now += 1 + m.r.Int64N(5000)
		stream := byte(1 + m.r.IntN(2))
		name := []string{"", "out: ", "err: "}[stream]
		at := m.began[stream]
		if m.pieces[stream] == "" {
			at = max(m.now-m.r.Int64N(2)*m.r.Int64N(9000), m.last[stream]+1) // its writer may have been overtaken
			if at%1000 == 0 {
				at++
			}
			m.last[stream], m.began[stream] = at, at
			m.now = max(m.now, at)
		}
		begin := m.pieces[stream]
		text := strings.Repeat("x", 1+m.r.IntN(20))
		if begin == "" {
			begin = name
			text = fmt.Sprintf("%d ", m.count) + text
			m.count++
		}
		if m.r.IntN(6) == 0 && len(m.log)+len(all) > m.file { // a file does not begin with it
			m.pieces[stream] = begin + text
			all = append(all, record{at, stream, text})
		} else {
			m.pieces[stream] = ""
			m.lines[begin+text] = len(m.lines)
			all = append(all, record{at, stream, text + "\n"})
		}
	}
	return all
}

// endPieces ends the incomplete lines.
func (m *model) endPieces() {
	for m.pieces != [3]string{} {
		m.write(m.some(1)...)
	}
}

// again makes the Engine open the current file from its start: what was read of it is repeated, and what
// was not read of older files is skipped.
func (m *model) again(skips bool) {
	synctest.Wait()
	opened, next, _ := m.look()
	if opened != m.followed { // the tailer has reopened the log by itself
		m.followed, m.reached = opened, 0
	}
	file := m.file
	back := next < m.reached // inside the repeated part
	m.reached = max(m.reached, next)
	passed := m.log[min(next, file):file]
	if len(passed) > 0 {
		if !skips || back || next > 0 && !strings.HasSuffix(m.log[next-1].text, "\n") || m.inPieces(next) {
			return
		}
		text := [3]string{"", "out: ", "err: "}
		for _, r := range passed {
			text[r.stream] += strings.TrimSuffix(r.text, "\n")
			if strings.HasSuffix(r.text, "\n") {
				m.skipped[m.lines[text[r.stream]]] = true
				text[r.stream] = []string{"", "out: ", "err: "}[r.stream]
			}
		}
	}
	if next-file > 4000 {
		m.mayTwo = true
	}
	m.reopen()
}

// inPieces reports whether a line is incomplete before a record.
func (m *model) inPieces(n int) bool {
	var open [3]bool
	for _, r := range m.log[m.first:n] {
		open[r.stream] = !strings.HasSuffix(r.text, "\n")
	}
	return open != [3]bool{}
}

// check examines what the current process has handed on.
func (m *model) check() {
	m.t.Helper()
	seen := map[int]bool{}
	newest := -1
	for _, line := range m.sink.Lines() {
		n, ok := m.lines[line]
		switch {
		case !ok && m.long: // an unrecognised repeat ends incomplete lines
			continue
		case !ok:
			m.t.Fatalf("%q is no line of the log", line)
		case seen[n] && !m.mayTwo:
			m.t.Fatalf("%q came twice", line)
		case !seen[n] && !m.acked[n] && n < newest:
			m.t.Fatalf("%q, line %d, came after line %d", line, n, newest)
		}
		seen[n] = true
		newest = max(newest, n)
	}
	for _, line := range m.sink.Lines()[:m.sink.Acked()] {
		if n, ok := m.lines[line]; ok {
			m.acked[n] = true
		}
	}
}

// One line in a thousand has a time of whole microseconds. It is nevertheless distinguished from others if
// the clock is finer than that.
func TestRepeatOfALineAtAWholeMicrosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		s.write(out(0, "1"), record{scriptTime - 1 + 2000, 1, "2\n"}, out(5, "3"))
		s.settle()
		s.reopen()
		s.write(out(6, "4"))
		s.expect("out: 1", "out: 2", "out: 3", "out: 4")
	})
}
