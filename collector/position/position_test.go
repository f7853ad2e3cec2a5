package position_test

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/position"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// replay returns the rest of a log that is read again from p, with the Engines' two ways to filter: up to
// the first match, or line by line.
func replay(log []int64, p position.Position, everyLine bool) (left []int, lost bool) {
	skip := position.NewSkipper(p)
	matched := false
	for i, t := range log {
		if t < p.Since() && (everyLine || !matched) {
			continue
		}
		matched = true
		if !skip.Skip(t) {
			left = append(left, i)
		}
	}
	return left, skip.Lost()
}

func indexes(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func TestReadAgainExactly(t *testing.T) {
	const s = int64(1e9)
	for name, log := range map[string][]int64{
		"growing":                       {10 * s, 10*s + 1, 11 * s, 12 * s},
		"several at a nanosecond":       {10 * s, 10 * s, 10 * s, 11 * s, 11 * s},
		"streams a little out of order": {10 * s, 10*s + 9, 10*s + 5, 10*s + 7, 10*s + 8, 11 * s},
		"a pause of an hour":            {10 * s, 3610 * s, 3610*s + 1},
	} {
		t.Run(name, func(t *testing.T) {
			var p position.Position
			for i, at := range log {
				p = p.After(at)
				for _, everyLine := range []bool{false, true} {
					left, lost := replay(log, p, everyLine)
					if diff := cmp.Diff(indexes(i+1, len(log)), left); diff != "" || lost {
						t.Errorf("after line %d (%s, filter on every line %t): lost = %t; lines (-want +got):\n%s", i, p, everyLine, lost, diff)
					}
				}
			}
		})
	}
}

func TestReadAgainExactlyAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var log []int64
		at := int64(1e15)
		for range 40 {
			at += int64(r.IntN(5)) * int64(r.IntN(400_000_000))
			log = append(log, at-int64(r.IntN(2))*int64(r.IntN(1000)))
		}
		n := 1 + r.IntN(len(log))
		var p position.Position
		for _, at := range log[:n] {
			p = p.After(at)
		}
		for _, everyLine := range []bool{false, true} {
			if left, _ := replay(log, p, everyLine); !slices.Equal(left, indexes(n, len(log))) {
				t.Fatalf("log %v, %d read, at %s: left = %v", log, n, p, left)
			}
		}
	}
}

// setBack are logs of clocks that were set back, times in seconds.
var setBack = map[string][]int64{
	"once":               {100, 200, 50, 51, 52},
	"and passed":         {100, 200, 50, 150, 199, 200, 200, 201, 202},
	"twice":              {100, 200, 120, 130, 30, 31, 31, 125, 210},
	"further the second": {200, 150, 151, 100, 101, 20, 21},
}

func positionAfter(log []int64) (p position.Position) {
	for _, t := range log {
		p = p.After(t)
	}
	return p
}

func seconds(log []int64) (all []int64) {
	for _, t := range log {
		all = append(all, t*1e9)
	}
	return all
}

// If a clock was set back, no line is lost and none repeated, whichever way the Engine filters. The only
// exception is a step that no line before the position shows, on an Engine that filters line by line.
func TestClockSetBack(t *testing.T) {
	for name, log := range setBack {
		t.Run(name, func(t *testing.T) {
			log := seconds(log)
			for n := 1; n <= len(log); n++ {
				p := positionAfter(log[:n])
				for _, everyLine := range []bool{false, true} {
					var want []int
					for _, i := range indexes(n, len(log)) {
						if !everyLine || log[i] >= p.Since() {
							want = append(want, i)
						}
					}
					if left, lost := replay(log, p, everyLine); !slices.Equal(left, want) || lost {
						t.Errorf("%d read, at %v, filter on every line %t: left = %v, want %v; lost = %t", n, p, everyLine, left, want, lost)
					}
				}
			}
		})
	}
}

// Once the line with the position's time is rotated away, it is unknown whether the rest of the log is
// before or after the position. The position reports that this is possible.
func TestUnordered(t *testing.T) {
	for name, tc := range map[string]struct {
		log  []int64 // times in seconds
		want bool
	}{
		"growing":                   {[]int64{100, 101, 200}, false},
		"a little out of order":     {[]int64{100, 101, 100, 101}, false},
		"set back":                  {[]int64{100, 200, 198}, true},
		"and further lines":         {[]int64{100, 200, 50, 51}, true},
		"set back and caught up":    {[]int64{100, 200, 50, 200}, true},
		"set back and passed again": {[]int64{100, 200, 50, 201}, false},
	} {
		if p := positionAfter(seconds(tc.log)); p.Unordered() != tc.want {
			t.Errorf("%s: at %+v: %t, want %t", name, p, p.Unordered(), tc.want)
		}
	}
	if p := (position.Position{}).After(100e9).Reaching(99_900_000_000); p.Unordered() {
		t.Errorf("reaching back a little: %+v is unordered", p)
	}
}

// However few lines are read before a log is reopened, reading makes progress.
func TestClockSetBackMakesProgress(t *testing.T) {
	for name, log := range setBack {
		t.Run(name, func(t *testing.T) {
			log := seconds(log)
			var p position.Position
			for n := range log {
				left, _ := replay(log, p, false)
				if diff := cmp.Diff(indexes(n, len(log)), left); diff != "" {
					t.Fatalf("%d read, at %v (-want +got):\n%s", n, p, diff)
				}
				p = p.After(log[left[0]])
			}
		})
	}
}

// An incomplete line does not hold the position back, but is read again.
func TestReaching(t *testing.T) {
	const s = int64(1e9)
	p := position.Position{}.After(10 * s).After(60 * s)
	if got := p.Reaching(20 * s); got.Since() != 19*s || got.Time != 60*s || got.Lines != 1 {
		t.Errorf("reaching 20 s: %+v, since %d", got, got.Since())
	}
	if got := p.Reaching(20 * s).Reaching(30 * s); got.Since() != 19*s {
		t.Errorf("reaching 20 s and 30 s: since %d", got.Since())
	}
	if got := p.Reaching(20 * s).After(61 * s); got != (position.Position{Time: 61 * s, Lines: 1}) {
		t.Errorf("after a later line: %+v", got)
	}
	if got := p.Reaching(70 * s); got != p {
		t.Errorf("reaching what comes later: %+v", got)
	}
}

func TestRotationPastThePosition(t *testing.T) {
	const s = int64(1e9)
	p := position.Position{}.After(10 * s).After(10 * s)
	left, lost := replay([]int64{20 * s, 21 * s}, p, false)
	if diff := cmp.Diff([]int{0, 1}, left); diff != "" || !lost {
		t.Errorf("lost = %t, want true; lines (-want +got):\n%s", lost, diff)
	}
}

func TestFirstSightBeginsAtATime(t *testing.T) {
	const s = int64(1e9)
	left, lost := replay([]int64{8 * s, 9*s + 1, 10 * s, 11 * s}, position.Position{Time: 10 * s}, false)
	if diff := cmp.Diff([]int{2, 3}, left); diff != "" || lost {
		t.Errorf("lost = %t, want false; lines (-want +got):\n%s", lost, diff)
	}
}

func open(t *testing.T, dir string) *position.Store {
	t.Helper()
	s, err := position.Open(dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onDisk returns what a process that starts now would find, while s stays open.
func onDisk(t *testing.T, dir, id string) position.Position {
	t.Helper()
	return open(t, copyOf(t, dir)).Acked(id)
}

// copyOf copies the present journal in a directory.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "positions.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "positions.jsonl"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return elsewhere
}

func at(n int64) position.Position { return position.Position{Time: n, Lines: 1} }

func TestTheAcknowledgedPrefixCounts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	c := s.Cursor("a")
	one, _ := c.Begin(1, at(1))
	two, _ := c.Begin(2, at(2))
	three, _ := c.Begin(3, at(3))
	steps := []struct {
		ack    func()
		want   position.Position
		oldest int64
	}{{two, position.Position{}, 1}, {one, at(2), 3}, {three, at(3), 0}}
	for i, step := range steps {
		step.ack()
		if got := c.Acked(); got != step.want || s.Oldest() != step.oldest {
			t.Errorf("step %d: acked = %s, oldest = %d, want %s, %d", i, got, s.Oldest(), step.want, step.oldest)
		}
		// No Close: after kill -9, what the acknowledgement wrote is there.
		if got := onDisk(t, dir, "a"); got != step.want {
			t.Errorf("step %d: on disk = %s, want %s", i, got, step.want)
		}
	}
}

func TestUndoneIsReadAgain(t *testing.T) {
	s := position.InMemory()
	c := s.Cursor("a")
	acked, _ := c.Begin(1, at(1))
	_, undo := c.Begin(2, at(2))
	undo()
	if got := c.Read(); got != at(1) {
		t.Errorf("read = %s, want %s", got, at(1))
	}
	acked()
	if got := c.Acked(); got != at(1) || c.Waiting() != 0 {
		t.Errorf("acked = %s, waiting = %d, want %s, 0", got, c.Waiting(), at(1))
	}
}

func every(string) bool { return true }

func TestGoneContainersAreForgottenOnceReadAndAcknowledged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	none := func(string) bool { return false }
	c := s.Cursor("a")
	one, _ := c.Begin(1, at(1))
	one()
	s.Retain(every, none)
	if got := onDisk(t, dir, "a"); got != at(1) {
		t.Errorf("on disk = %s, want %s: its last lines are still being read", got, at(1))
	}
	two, _ := c.Begin(2, at(2))
	c.Done()
	if got := onDisk(t, dir, "a"); got != at(1) {
		t.Errorf("on disk = %s, want %s: its last lines are not acknowledged", got, at(1))
	}
	two()
	if got := onDisk(t, dir, "a"); !got.IsZero() || !s.Acked("a").IsZero() {
		t.Errorf("on disk = %s, want it forgotten", got)
	}
}

// Retain keeps keys that it does not ask about, and Unread returns the keys that nobody reads.
func TestRetainOfSomeKeys(t *testing.T) {
	s := position.InMemory()
	for _, key := range []string{"a", "b", "c"} {
		c := s.Cursor(key)
		one, _ := c.Begin(1, at(1))
		one()
		if key != "c" {
			c.Done()
		}
	}
	none := func(string) bool { return false }
	s.Retain(func(key string) bool { return key == "a" }, none)
	if a, b := s.Acked("a"), s.Acked("b"); !a.IsZero() || b != at(1) {
		t.Errorf("a is at %s and b at %s, want that a is forgotten and b not", a, b)
	}
	if got := s.Unread(); len(got) != 1 || got[0] != "b" {
		t.Errorf("unread: %v, want b", got)
	}
}

func TestContainerThatIsBackIsKept(t *testing.T) {
	s := position.InMemory()
	c := s.Cursor("a")
	one, _ := c.Begin(1, at(1))
	s.Retain(every, func(string) bool { return false })
	s.Retain(every, every)
	one()
	c.Done()
	if got := s.Acked("a"); got != at(1) {
		t.Errorf("acked = %s, want %s", got, at(1))
	}
}

func TestStartIsKept(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Cursor("a").Start(position.Position{Time: 7})
	open(t, dir).Cursor("a").Start(position.Position{Time: 5}) // the clock was set back
	s := open(t, dir)
	s.Cursor("a").Start(position.Position{Time: 9})
	if got := s.Cursor("a").Read(); got != (position.Position{Time: 5}) {
		t.Errorf("read = %s, want the first start, 5+0", got)
	}
}

// A bookmark is kept only as long as the position that it describes.
func TestBookmark(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir).Cursor("a")
	place := position.Bookmark{Inode: 7, Offset: 4096, Sum: 1 << 31, Lines: 2}
	acked, _ := c.BeginAt(1, at(1), place)
	_, undo := c.BeginAt(2, at(2), position.Bookmark{Inode: 7, Offset: 5000})
	undo()
	if got := c.Bookmark(); got != place {
		t.Errorf("after undo: %+v, want %+v", got, place)
	}
	acked()
	again := open(t, dir).Cursor("a")
	if again.Read() != at(1) || again.Bookmark() != place {
		t.Errorf("in the next process: %s, %+v, want %s, %+v", again.Read(), again.Bookmark(), at(1), place)
	}
	acked, _ = again.Begin(2, at(2)) // by a caller that knows no file
	acked()
	again = open(t, dir).Cursor("a")
	if got := again.Bookmark(); again.Read() != at(2) || got != (position.Bookmark{}) {
		t.Errorf("then: %s, %+v, want %s and no bookmark", again.Read(), got, at(2))
	}
}

func TestSkipLines(t *testing.T) {
	s := position.SkipLines(2)
	for i, want := range []bool{true, true, false, false} {
		if got := s.Skip(int64(10 - i)); got != want || s.Lost() {
			t.Errorf("line %d: skip = %t, want %t; lost = %t", i, got, want, s.Lost())
		}
	}
	if s := position.SkipLines(0); s.Skip(1) {
		t.Error("none to skip: skipped one")
	}
}

func TestDamagedJournal(t *testing.T) {
	const whole = `{"id":"a","t":7,"n":2}` + "\n"
	for name, tc := range map[string]struct {
		journal string
		want    position.Position
	}{
		"cut short":        {whole + `{"id":"a","t":9`, position.Position{Time: 7, Lines: 2}},
		"garbage between":  {whole + "\x00\x00\n" + `{"id":"a","t":8,"n":1}` + "\n", at(8)},
		"whole":            {`{"id":"a","t":7,"n":2,"low":5}` + "\n", position.Position{Time: 7, Lines: 2, Low: 5}},
		"empty":            {"", position.Position{}},
		"only garbage":     {strings.Repeat("x", 5000), position.Position{}},
		"negative count":   {whole + `{"id":"a","t":8,"n":-1}` + "\n", position.Position{Time: 7, Lines: 2}},
		"damaged bookmark": {`{"id":"a","t":7,"n":2,"file":{"inode":1,"offset":-5,"sum":1}}` + "\n", position.Position{Time: 7, Lines: 2}},
		"forgotten at end": {whole + `{"id":"a","forget":true,"t":0,"n":0}` + "\n", position.Position{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "positions.jsonl"), []byte(tc.journal), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir)
			if got := s.Acked("a"); got != tc.want {
				t.Errorf("acked = %s, want %s", got, tc.want)
			}
			if got := s.Cursor("a").Bookmark(); got != (position.Bookmark{}) {
				t.Errorf("bookmark = %+v, want none", got)
			}
			ack, _ := s.Cursor("a").Begin(20, at(20))
			ack()
			if got := onDisk(t, dir, "a"); got != at(20) {
				t.Errorf("after a write: acked = %s, want %s", got, at(20))
			}
		})
	}
}

func TestJournalDoesNotGrow(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	c := s.Cursor(strings.Repeat("a", 64))
	for i := range int64(40_000) {
		ack, _ := c.Begin(i, at(i+1))
		ack()
	}
	st, err := os.Stat(filepath.Join(dir, "positions.jsonl"))
	if err != nil || st.Size() > 2<<20 {
		t.Errorf("size = %d, err = %v, want at most 2 MiB", st.Size(), err)
	}
	if got := onDisk(t, dir, strings.Repeat("a", 64)); got != at(40_000) {
		t.Errorf("acked = %s", got)
	}
}

// The state of a log's stages is written with the position: the state as of the acknowledged lines,
// whatever the order of acknowledgements, and across a restart. A reader that is restarted in the same
// process continues with the state where it continues to read.
func TestStateGoesWithThePosition(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	c := s.Cursor("a")
	mark := func(line int64, state string) *position.Mark {
		m := c.Mark(line, at(line), position.Bookmark{})
		if state != "" {
			m.SetState([]byte(state))
		}
		return m
	}
	one, two, three, four := mark(1, "counted 1"), mark(2, "counted 2"), mark(3, ""), mark(4, "counted 4")
	check := func(when, acked, read string) {
		t.Helper()
		if got := string(s.State("a")); got != read {
			t.Errorf("%s: the reader goes on with %q, want %q", when, got, read)
		}
		again := open(t, copyOf(t, dir))
		if got := string(again.State("a")); got != acked {
			t.Errorf("%s: after a restart %q is kept, want %q", when, got, acked)
		}
	}
	check("nothing is acknowledged", "", "counted 4")
	two.Ack()
	check("not the first", "", "counted 4")
	one.Ack()
	check("the first two", "counted 2", "counted 4")
	three.Ack()
	check("a mark without a state of its own", "counted 2", "counted 4")
	four.Undo()
	check("the last one was not handed on", "counted 2", "counted 2")
	mark(4, "counted 4 again").Ack()
	check("all", "counted 4 again", "counted 4 again")
}

// The next collector reads rewound lines again, and all later ones. Their old acknowledgements no longer
// count.
func TestRewind(t *testing.T) {
	s := position.InMemory()
	c := s.Cursor("a")
	mark := func(first int64) *position.Mark {
		return c.Mark(first, position.Position{Time: first, Lines: 1}, position.Bookmark{})
	}
	one, two, three := mark(1), mark(2), mark(3)
	one.SetState([]byte("one"))
	three.SetState([]byte("three"))
	two.Rewind()
	if got := c.Read().Time; got != 1 || c.Waiting() != 1 {
		t.Errorf("reading goes on at %d with %d batches waiting, want 1 and 1", got, c.Waiting())
	}
	two.Ack()
	three.Ack()
	one.Ack()
	if got := c.Acked().Time; got != 1 || c.Waiting() != 0 {
		t.Errorf("acknowledged up to %d with %d batches waiting, want 1 and 0", got, c.Waiting())
	}
}

// A state that is set on an earlier mark applies to later marks without one.
func TestStateOfAnEarlierMark(t *testing.T) {
	s := position.InMemory()
	c := s.Cursor("a")
	mark := func(first int64) *position.Mark {
		return c.Mark(first, position.Position{Time: first, Lines: 1}, position.Bookmark{})
	}
	one, two := mark(1), mark(2)
	one.SetState([]byte("one"))
	if got := string(s.State("a")); got != "one" {
		t.Errorf("the next reader goes on with %q, want one", got)
	}
	three := mark(3)
	three.SetState([]byte("three"))
	one.SetState([]byte("one again"))
	if got := string(s.State("a")); got != "three" {
		t.Errorf("the next reader goes on with %q, want three", got)
	}
	one.Ack()
	two.Ack()
	if got := string(s.AckedState("a")); got != "one again" {
		t.Errorf("%q is kept as of the second mark, want one again", got)
	}
	three.Undo()
	if got := string(s.State("a")); got != "one again" {
		t.Errorf("after Undo the next reader goes on with %q, want one again", got)
	}
}
