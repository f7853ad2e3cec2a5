package multiline_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/stage/multiline"
)

// appendLines hands a batch to the stage as a reader does. It returns a function that reports whether the
// batch is acknowledged.
func appendLines(t *testing.T, s lighter.Logs, of []line) (acknowledged func() bool) {
	t.Helper()
	var done atomic.Bool
	b := batch(of, func() { done.Store(true) })
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	b.Done()
	return done.Load
}

// An entry whose rest does not come is handed on after twice Wait, and the position waits until then.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := &sink{}
		s, h := newStage(multiline.Config{}, end)
		trace := []string{"Traceback (most recent call last):", `  File "/app/main.py", line 1, in <module>`, "ValueError: boom"}
		first := appendLines(t, s, lines(1, 0, trace[:2]...))
		time.Sleep(2*multiline.DefaultWait - 1)
		second := appendLines(t, s, lines(1, 2*time.Millisecond, trace[2]))
		other := appendLines(t, s, lines(0, 3*time.Millisecond, "other"))
		time.Sleep(2*multiline.DefaultWait - 1)
		synctest.Wait()
		check(t, "before the time", end.all(), lines(0, 3*time.Millisecond, "other"))
		if first() || second() || other() {
			t.Error("acknowledged while a line is held back")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		check(t, "after the time", of(1, end.all()), []line{{0, 1, strings.Join(trace, "\n")}})
		if !first() || !second() || !other() {
			t.Error("not acknowledged though all is handed on")
		}
		appendLines(t, s, lines(1, time.Hour, "next"))
		check(t, "later", of(1, end.all())[1:], lines(1, time.Hour, "next"))
		h.Drop()
	})
}

// A quiet stream does not keep another stream's entry open, and the batches wait for both.
func TestClockOfTwoStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := &sink{}
		s, h := newStage(multiline.Config{}, end)
		first := appendLines(t, s, slices.Concat(lines(0, 0, "panic: out"), lines(1, 1, "panic: err")))
		time.Sleep(multiline.DefaultWait)
		second := appendLines(t, s, lines(1, time.Millisecond, "\tpanic: again"))
		time.Sleep(multiline.DefaultWait)
		synctest.Wait()
		check(t, "stdout's", end.all(), lines(0, 0, "panic: out"))
		if first() || second() {
			t.Error("acknowledged while a line is held back")
		}
		time.Sleep(multiline.DefaultWait)
		synctest.Wait()
		check(t, "stderr's", of(1, end.all()), []line{{1, 1, "panic: err\n\tpanic: again"}})
		if !first() || !second() {
			t.Error("not acknowledged though all is handed on")
		}
		h.Drop()
	})
}

// While the reader does not read, the clock stands still. It starts anew when the reader reads again.
func TestClockStandsWhileNothingIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := &sink{}
		s, h := newStage(multiline.Config{}, end)
		clock := h.(stage.Clocked)
		first := appendLines(t, s, lines(1, 0, "panic: boom"))
		time.Sleep(multiline.DefaultWait)
		clock.Pause()
		time.Sleep(time.Hour)
		synctest.Wait()
		check(t, "while nothing is read", end.all(), nil)
		clock.Resume()
		time.Sleep(2*multiline.DefaultWait - 1)
		synctest.Wait()
		check(t, "before the time", end.all(), nil)
		appendLines(t, s, lines(1, 1, "\tpanic: again"))
		time.Sleep(2*multiline.DefaultWait - 1)
		synctest.Wait()
		check(t, "before the time of the next line", end.all(), nil)
		time.Sleep(time.Second)
		synctest.Wait()
		check(t, "after the time", end.all(), []line{{0, 1, "panic: boom\n\tpanic: again"}})
		if !first() {
			t.Error("not acknowledged though all is handed on")
		}

		appendLines(t, s, lines(1, time.Hour, "panic: the log ends"))
		clock.Pause()
		time.Sleep(time.Hour)
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		check(t, "at the end", end.all()[1:], lines(1, time.Hour, "panic: the log ends"))
		h.Drop()
	})
}

// blocked is a sink that has no room until open is closed.
type blocked struct {
	sink
	open chan struct{}
}

func (s *blocked) Append(ctx context.Context, b *lighter.Batch) error {
	if len(b.Entries) == 0 { // like the end of a chain
		return nil
	}
	select {
	case <-s.open:
		return s.sink.Append(ctx, b)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// While there is no room, the stage waits, a reader can give up, and Drop does not wait.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := &blocked{open: make(chan struct{})}
		s, h := newStage(multiline.Config{}, end)
		first := appendLines(t, s, lines(1, 0, "panic: boom"))
		time.Sleep(time.Hour) // the clock's goroutine has no room
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		b := batch(lines(1, 1, "\tpanic: again"), nil)
		if err := s.Append(ctx, b); err != context.DeadlineExceeded {
			t.Errorf("Append = %v, want ctx's error", err)
		}
		if err := h.Release(ctx); err != context.DeadlineExceeded {
			t.Errorf("Release = %v, want ctx's error", err)
		}
		if first() {
			t.Error("acknowledged though nothing is handed on")
		}
		h.Drop()
		if !first() {
			t.Error("not let go of after Drop")
		}
		close(end.open)
		synctest.Wait()
		check(t, "after Drop", end.all(), nil)
	})
}

// The time for which an endpoint has no room does not count, because no line can come in it.
func TestClockStandsWhileThereIsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := &blocked{open: make(chan struct{})}
		s, h := newStage(multiline.Config{}, end)
		appendLines(t, s, lines(1, 0, "panic: boom"))
		time.AfterFunc(time.Minute, func() { close(end.open) })
		appendLines(t, s, lines(0, 1, "other"))
		appendLines(t, s, lines(1, 2, "\tpanic: again"))
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		check(t, "stderr's", of(1, end.all()), []line{{0, 1, "panic: boom\n\tpanic: again"}})
		h.Drop()
	})
}

// An entry that grows too large becomes several.
func TestBounds(t *testing.T) {
	text := []string{"java.lang.Error: boom"}
	for i := range 24 {
		text = append(text, fmt.Sprintf("\tat com.example.App.f%02d(App.java)", i))
	}
	joined := func(ranges ...int) (want []line) {
		for i := range len(ranges) - 1 {
			want = append(want, line{time.Duration(ranges[i]) * time.Millisecond, 0, strings.Join(text[ranges[i]:ranges[i+1]], "\n")})
		}
		return want
	}
	for name, tc := range map[string]struct {
		config multiline.Config
		want   []line
	}{
		"lines": {multiline.Config{MaxLines: 10}, joined(0, 10, 20, 25)},
		"bytes": {multiline.Config{MaxBytes: 5*len(text[1]) + 4}, joined(0, 5, 10, 15, 20, 25)},
		"none":  {multiline.Config{MaxLines: 25, MaxBytes: len(strings.Join(text, "\n"))}, joined(0, 25)},
		"one":   {multiline.Config{MaxBytes: 1}, lines(0, 0, text...)},
	} {
		check(t, name, through(t, tc.config, lines(0, 0, text...)), tc.want)
		check(t, name+", a line a batch", through(t, tc.config, each(lines(0, 0, text...))...), tc.want)
	}
}

// The held batches are bounded even if entries of the two streams overlap forever.
func TestHeldIsBounded(t *testing.T) {
	for name, size := range map[string]int{"batches": 10, "bytes": 100_000} {
		end := &sink{}
		s, h := newStage(multiline.Config{FirstLine: regexp.MustCompile("^BEGIN")}, end)
		held, most, bytes := 0, 0, 0
		filler := strings.Repeat("x", size)
		for i := range 2000 {
			held++
			text := "BEGIN " + filler
			if i%4 > 1 {
				text = filler
			}
			b := batch([]line{{time.Duration(i), int32(i % 2), text}}, func() { held--; bytes -= size })
			bytes += size
			if err := s.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Done()
			most = max(most, held)
			if bytes > 1<<20+2*size {
				t.Fatalf("%s: %d bytes are held", name, bytes)
			}
		}
		if most > 256 {
			t.Errorf("%s: %d batches are held", name, most)
		}
		h.Drop()
	}
}

// Entries begin with the lines that match. Lines before the first of them pass alone.
func TestFirstLine(t *testing.T) {
	c := multiline.Config{FirstLine: regexp.MustCompile(`^\d{4}-`)}
	all := lines(0, 0, "before", "2026-01-01 one", "more", `{"json":"too"}`, "", "2026-01-02 two", "2026-01-03 three", "more")
	want := []line{all[0], {all[1].at, 0, "2026-01-01 one\nmore\n{\"json\":\"too\"}\n"}, all[5], {all[6].at, 0, "2026-01-03 three\nmore"}}
	check(t, "in one batch", through(t, c, all), want)
	check(t, "a line a batch", through(t, c, each(all)...), want)
	late := lines(0, time.Hour, "after a pause", "alone")
	check(t, "after a pause", through(t, c, slices.Concat(all, late)), slices.Concat(want, late))
}

// A log that always has an open entry is acknowledged all the same, wherever in a batch entries begin.
func TestFirstLineIsAcknowledged(t *testing.T) {
	end := &sink{}
	s, h := newStage(multiline.Config{FirstLine: regexp.MustCompile(`^\d`)}, end)
	var done []func() bool
	for i := range 100 {
		done = append(done, appendLines(t, s, lines(0, time.Duration(i)*10*time.Millisecond, fmt.Sprint(i), "more", fmt.Sprint(i))))
		if i > 0 && !done[i-1]() || done[i]() {
			t.Fatalf("after batch %d: the one before it is acknowledged: %v, it is itself: %v", i, done[max(i-1, 0)](), done[i]())
		}
	}
	h.Drop()
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := multiline.Maker(multiline.Config{}, multiline.NewMetrics(reg)).New(stage.Log{}, &sink{})
	appendLines(t, s, lines(0, 0, "panic: boom", "", "goroutine 1 [running]:", "", "other"))
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP lighter_log_lines_joined_total Log lines that became part of the entry of an earlier line, such as the lines of a stack trace after its first.
# TYPE lighter_log_lines_joined_total counter
lighter_log_lines_joined_total 2
`)); err != nil {
		t.Error(err)
	}
}

// An entry has the metadata of its first line. Lines that are not joined keep their own.
func TestFields(t *testing.T) {
	end := &fieldSink{}
	s, h := newStage(multiline.Config{}, end)
	for _, of := range [][]line{lines(0, 0, "panic: boom", ""), lines(0, 2, "goroutine 1 [running]:", "", "other")} {
		b := batch(of, nil)
		for i := range b.Entries {
			b.AddField(&b.Entries[i], "at", fmt.Append(nil, int64(of[i].at)))
		}
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.Done()
	}
	if err := h.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if got := strings.Join(end.fields, " "); got != "at=0 at=1000002 at=2000002" {
		t.Errorf("fields = %s", got)
	}
}

type fieldSink struct{ fields []string }

func (s *fieldSink) Append(_ context.Context, b *lighter.Batch) error {
	for i := range b.Entries {
		for _, f := range b.Fields(&b.Entries[i]) {
			s.fields = append(s.fields, f.Name+"="+string(f.Value))
		}
	}
	return nil
}

// The position waits for an entry that the clock has handed on by itself, even if entries held with it are
// acknowledged earlier.
func TestClockOfOneStreamIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := &endpoint{delivered: map[line]int{}, check: func(line) {}}
		s, h := newStage(multiline.Config{}, end)
		first := appendLines(t, s, slices.Concat(lines(0, 0, "panic: out"), lines(1, 1, "panic: err")))
		time.Sleep(multiline.DefaultWait)
		second := appendLines(t, s, lines(1, time.Millisecond, "\tpanic: again"))
		time.Sleep(multiline.DefaultWait)
		synctest.Wait() // stdout's entry is handed on
		third := appendLines(t, s, lines(1, 2*time.Millisecond, "other"))
		for len(end.waiting) > 1 {
			end.release(1)
		}
		if first() || second() && !third() {
			t.Error("acknowledged before an entry that has its lines")
		}
		end.release(0)
		if !first() || !second() || !third() {
			t.Error("not acknowledged though all is delivered")
		}
		h.Drop()
	})
}

// What the stage keeps alive is always counted: by itself up to its bound, and by the endpoint for as long as that
// has not acknowledged the entry whose lines were held back.
func TestHeldMemoryIsCounted(t *testing.T) {
	const size = 64 << 10 // of the memory that a batch was read into, of which few lines are left
	begin := multiline.Config{FirstLine: regexp.MustCompile("^BEGIN"), Wait: time.Hour}
	for name, tc := range map[string]struct {
		config multiline.Config
		even   []string // lines of the batches 0, 2, 4, …
		odd    []string // of those between them
	}{
		"each batch begins an entry":       {begin, []string{"BEGIN"}, []string{"BEGIN"}},
		"every other one goes on with one": {begin, []string{"BEGIN"}, []string{"more", "BEGIN"}},
		"every other one ends one":         {multiline.Config{Wait: time.Hour}, []string{"panic: boom"}, []string{"\tpanic: again", "other"}},
	} {
		alive := 0
		end := &holding{}
		s := stage.NewChain(end, stage.Log{}, nil, multiline.Maker(tc.config, multiline.NewMetrics(prometheus.NewRegistry())))
		for i := range 200 {
			text := tc.even
			if i%2 == 1 {
				text = tc.odd
			}
			b := batch(lines(0, time.Duration(i)*10*time.Millisecond, text...), func() { alive -= size })
			b.Bytes = size
			alive += size
			if err := s.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Done()
			if counted := end.bytes(); alive > counted+2*size {
				t.Errorf("%s: after %d batches %d bytes are alive, and the endpoint counts %d", name, i+1, alive, counted)
				break
			}
		}
		s.Drop()
		end.acknowledge()
		if alive != 0 {
			t.Errorf("%s: %d bytes are still alive when all is acknowledged", name, alive)
		}
	}
}

// holding is an endpoint that acknowledges nothing before acknowledge is called.
type holding struct{ batches []*lighter.Batch }

func (s *holding) Append(_ context.Context, b *lighter.Batch) error {
	b.Hold()
	s.batches = append(s.batches, b)
	return nil
}

func (s *holding) bytes() (n int) {
	for _, b := range s.batches {
		n += b.Bytes
	}
	return n
}

func (s *holding) acknowledge() {
	for _, b := range s.batches {
		b.Done()
	}
	s.batches = nil
}

// Held returns the lines that are held back, also when they could not be handed on.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := &blocked{open: make(chan struct{})}
		s, h := newStage(multiline.Config{}, end)
		want := func(when string, n int) {
			t.Helper()
			if held := h.Held(); held != n {
				t.Errorf("%s: %d lines are held back, want %d", when, held, n)
			}
		}
		want("at the beginning", 0)
		appendLines(t, s, lines(0, 0, "panic: boom", ""))
		want("with a line that may belong to the first one", 2)
		appendLines(t, s, lines(1, 2, "panic: other"))
		want("with a second stream", 3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := h.Release(ctx); err == nil {
			t.Fatal("Release has found room")
		}
		want("after Release has failed", 3)
		if err := s.Append(ctx, batch(lines(0, 3, "one", "two"), nil)); err == nil {
			t.Fatal("Append has found room")
		}
		want("after Append has failed", 3)
		h.Drop()
		want("after Drop", 0)

		s, h = newStage(multiline.Config{}, end)
		appendLines(t, s, lines(0, 0, "panic: boom"))
		close(end.open)
		if err := h.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("after Release", 0)
		appendLines(t, s, lines(0, 0, "panic: boom"))
		time.Sleep(time.Hour)
		synctest.Wait()
		want("when the clock has handed it on", 0)
		h.Drop()
	})
}
