package file_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/file"
	"lighter/collector/inotify"
	"lighter/collector/tail/tailtest"
)

// writer writes numbered lines to a log that it rotates.
type writer struct {
	*bench
	r    *rand.Rand
	n    int    // lines that were begun
	rest string // of a line that was begun
	read bool   // the file has lines enough that were read
}

func (w *writer) text(lines int) string {
	var b strings.Builder
	for range lines {
		fmt.Fprintf(&b, "%07d %s\n", w.n, strings.Repeat("x", w.r.IntN(200)))
		w.n++
	}
	return b.String()
}

// lines writes some lines; the last one may be without its end.
func (w *writer) lines() {
	lines := 1 + w.r.IntN(20)
	if w.r.IntN(10) == 0 {
		lines = 2000
	}
	text := w.rest + w.text(lines)
	n := len(text)
	if w.r.IntN(3) == 0 {
		n -= 1 + w.r.IntN(min(30, len(text)-len(w.rest)))
		n = max(n, strings.LastIndexByte(text[:len(text)-1], '\n')+1)
	}
	w.write("", text[:n])
	w.rest = text[n:]
}

// finish writes the end of a line that was begun.
func (w *writer) finish() {
	w.write("", w.rest)
	w.rest = ""
}

// shift renames the rotated files, so that there is none of the name app.log.1.
func (w *writer) shift() {
	for n := 200; n > 0; n-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", w.path, n), fmt.Sprintf("%s.%d", w.path, n+1))
	}
}

// rotate renames the log. The program may write on to the renamed file for a while, as long as the new one
// has nothing.
func (w *writer) rotate() {
	w.finish()
	w.shift()
	w.rename("app.log.1")
	for w.r.IntN(2) == 0 {
		if w.r.IntN(2) == 0 {
			w.write("", "")
		}
		time.Sleep(time.Duration(w.r.IntN(3000)) * time.Millisecond)
		w.write("app.log.1", w.text(1+w.r.IntN(5)))
	}
	w.write("", w.text(1))
	w.read = false
}

// copyAndCut copies the log and cuts it off. It does nothing if too little of the file was read.
func (w *writer) copyAndCut() {
	if !w.read {
		return
	}
	w.read = false
	w.lines()
	w.finish()
	w.shift()
	w.cut("app.log.1")
}

// settle waits until the log is read, and notes whether it is.
func (w *writer) settle() {
	w.finish()
	w.write("", w.text(1))
	w.write("", fmt.Sprintf("%07d %s\n", w.n, strings.Repeat("x", 64)))
	w.n++
	time.Sleep(soon)
	lines := w.sink.Lines()
	w.read = len(lines) > 0 && strings.HasPrefix(lines[len(lines)-1], fmt.Sprintf("s: %07d", w.n-1))
}

// sent are the entries of all processes.
type sent map[string]int64

func (s sent) add(t *testing.T, sink *tailtest.Sink) {
	times := sink.Times()
	for i, line := range sink.Lines() {
		if before, ok := s[line]; ok && before != times[i] {
			t.Fatalf("%.20q was sent with the time %d and again %d ns later", line, before, times[i]-before)
		}
		s[line] = times[i]
	}
}

// check checks that n lines came, in the order of their times.
func (s sent) check(t *testing.T, n int) {
	t.Helper()
	var lines []string
	for line := range s {
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b string) int { return int(s[a] - s[b]) })
	for i, line := range lines {
		if want := fmt.Sprintf("s: %07d", i); !strings.HasPrefix(line, want) {
			t.Fatalf("line %d is %.20q", i, line)
		}
	}
	if len(lines) != n {
		t.Fatalf("%d lines came of %d", len(lines), n)
	}
}

// Whatever is done to the file and whenever the process is killed, each line comes, and what comes twice
// is the same.
func TestKill(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				testKill(t, rand.New(rand.NewPCG(uint64(seed), 1)))
			})
		})
	}
}

func testKill(t *testing.T, r *rand.Rand) {
	b := newBench(t)
	w := &writer{bench: b, r: r}
	all := sent{}
	stop := b.tailer()
	open := func() {}
	running := true
	w.lines()
	time.Sleep(soon) // what was rotated before it was ever seen does not come
	for range 60 {
		op := r.IntN(20)
		fmt.Fprintln(b.log, "op", op, "running", running, "begun", w.n, "came", len(b.sink.Lines()), time.Now().Format("15:04:05.000"))
		switch {
		case op < 8:
			w.lines()
		case op < 10:
			w.rotate()
		case op < 12:
			w.copyAndCut()
		case op < 13:
			time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		case op < 14:
			w.settle()
			time.Sleep(time.Duration(r.IntN(180)) * time.Second)
		case op < 16:
			b.sink.Ack(r.IntN(4))
		case op < 17:
			open()
			open = b.sink.Block()
		case op < 18:
			open()
		case running: // kill -9
			w.finish()
			synctest.Wait()
			all.add(t, b.sink)
			journal := b.journal()
			stop()
			open()
			open = func() {}
			b.openPositions(journal)
			b.sink = tailtest.NewSink()
			running = false
		default:
			stop = b.tailer()
			running = true
		}
	}
	w.finish()
	open()
	if !running {
		b.tailer()
	}
	time.Sleep(3 * time.Minute)
	all.add(t, b.sink)
	all.check(t, w.n)
	b.sink.AckAll()
	synctest.Wait()
	if b.positions.Oldest() != 0 {
		t.Error("something still waits though all is acknowledged")
	}
}

// A file is written and rotated in real time, while inotify tells of it.
func TestWatched(t *testing.T) {
	b := newBench(t)
	watcher := inotify.NewWatcher(b.options.Logger)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = watcher.Run(ctx) })
	defer running.Wait()
	defer cancel()
	b.options.Watcher = watcher
	b.options.MinPoll, b.options.MaxPoll = time.Hour, time.Hour // inotify has to tell
	w := &writer{bench: b, r: rand.New(rand.NewPCG(1, 2))}
	stop := b.tailer()
	other := &bench{t: t, dir: b.dir, path: filepath.Join(b.dir, "other.log"), sink: tailtest.NewSink(), options: b.options}
	stopOther := other.tailer()
	other.write("", "hello\n")
	other.await(1)
	w.write("", w.text(1))
	b.await(1) // what was rotated before it was ever seen does not come
	for range 40 {
		w.write("", w.text(20))
		if w.r.IntN(10) == 0 {
			b.await(w.n) // then the Tailer rests until it is told of the next write
		}
		if w.r.IntN(4) == 0 {
			w.shift()
			w.rename("app.log.1")
			w.write("", w.text(1))
		}
	}
	b.await(w.n)
	all := sent{}
	all.add(t, b.sink)
	all.check(t, w.n)
	stop()
	stopOther()
}

// Two Tailers of one file are both woken.
func TestWatchedTwice(t *testing.T) {
	b := newBench(t)
	watcher := inotify.NewWatcher(b.options.Logger)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = watcher.Run(ctx) })
	defer running.Wait()
	defer cancel()
	b.options.Watcher = watcher
	b.options.MinPoll, b.options.MaxPoll = time.Hour, time.Hour
	b.write("", "a\n")
	sinks := []*tailtest.Sink{tailtest.NewSink(), tailtest.NewSink()}
	for i, sink := range sinks {
		b.sink = sink
		b.options.Key = fmt.Sprint(b.path, i)
		defer b.tailer()()
	}
	for n, line := range []string{"b\n", "c\n"} {
		for _, sink := range sinks {
			b.sink = sink
			b.await(n + 1)
		}
		b.write("", line)
	}
	for _, sink := range sinks {
		b.sink = sink
		b.await(3)
		b.want("a", "b", "c")
	}
}

// What thousands of quiet files cost.
func TestQuietFiles(t *testing.T) {
	const files = 2000
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.options.Reads = file.NewReads(16)
		b.options.MaxPoll = time.Minute
		b.options.Watcher = &inotify.Watcher{}
		b.options.Logs = b.sink
		before, fds := heap(), openFiles(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for i := range files {
			name := fmt.Sprintf("%d.log", i)
			b.write(name, "a\n")
			tailer := file.New(filepath.Join(b.dir, name), lighter.NewStream(labels.FromStrings("stream", "s")), b.options)
			running.Go(func() { _ = tailer.Run(ctx) })
		}
		time.Sleep(5 * time.Minute)
		if n := len(b.sink.Lines()); n != files {
			t.Errorf("%d lines came of %d", n, files)
		}
		b.sink.AckAll()
		if each := (heap() - before) / files; each > 14<<10 {
			t.Errorf("%d bytes for each file", each)
		} else {
			t.Logf("%d bytes for each file", each)
		}
		if n := openFiles(t) - fds; n > 10 {
			t.Errorf("%d files are open", n)
		}
		cancel()
		running.Wait()
	})
}
