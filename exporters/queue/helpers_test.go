package queue_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"lighter/exporters/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a queue together with its log and what it dropped.
type fixture struct {
	*queue.Queue
	opts queue.Options

	mu      sync.Mutex
	log     bytes.Buffer
	dropped map[string][2]int // reason: records, items
}

// open opens a queue in dir, by default with one lane and 1 MiB.
func open(tb testing.TB, dir string, change ...func(*queue.Options)) *fixture {
	tb.Helper()
	f, err := tryOpen(dir, change...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

func tryOpen(dir string, change ...func(*queue.Options)) (*fixture, error) {
	f := &fixture{dropped: map[string][2]int{}}
	f.opts = queue.Options{Dir: dir, MaxBytes: 1 << 20, Lanes: 1, Logger: slog.New(slog.NewTextHandler(&f.log, nil))}
	f.opts.Dropped = func(reason string, records, items int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		n := f.dropped[reason]
		f.dropped[reason] = [2]int{n[0] + records, n[1] + items}
	}
	for _, c := range change {
		c(&f.opts)
	}
	var err error
	f.Queue, err = queue.Open(f.opts)
	return f, err
}

func lanes(n int) func(*queue.Options)      { return func(o *queue.Options) { o.Lanes = n } }
func maxBytes(n int64) func(*queue.Options) { return func(o *queue.Options) { o.MaxBytes = n } }
func dropOldest(o *queue.Options)           { o.Full = queue.DropOldest }
func body(i, size int) []byte               { return fmt.Appendf(nil, "%06d%s", i, strings.Repeat("x", size)) }
func warnings(log string) int               { return strings.Count(log, "level=WARN") }
func sum(dropped map[string][2]int) (n int) {
	for _, d := range dropped {
		n += d[0]
	}
	return n
}

func (f *fixture) mustAppend(tb testing.TB, key uint64, body []byte) {
	tb.Helper()
	if err := f.Append(key, 1, body); err != nil {
		tb.Fatal(err)
	}
}

// poll is TryNext without an error.
func (f *fixture) poll(tb testing.TB, lane int) (queue.Record, bool) {
	tb.Helper()
	r, ok, err := f.TryNext(lane)
	if err != nil {
		tb.Fatal(err)
	}
	return r, ok
}

func (f *fixture) mustNext(tb testing.TB, lane int) (queue.Record, []byte) {
	tb.Helper()
	r, ok := f.poll(tb, lane)
	if !ok {
		tb.Fatalf("lane %d: nothing waits", lane)
	}
	b, err := r.Body(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return r, b
}

// drain takes all waiting records of a lane without acknowledging them, and returns the bodies.
func (f *fixture) drain(tb testing.TB, lane int) (bodies []string) {
	tb.Helper()
	for {
		r, ok := f.poll(tb, lane)
		if !ok {
			return bodies
		}
		b, err := r.Body(nil)
		if err != nil {
			tb.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
}

// crash returns a copy of the directory as a kill -9 would leave it at present.
func crash(tb testing.TB, dir string) string {
	tb.Helper()
	to := tb.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		tb.Fatal(err)
	}
	return to
}

func segments(tb testing.TB, dir string) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.segment"))
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

func mustRead(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func mustWrite(tb testing.TB, path string, b []byte) {
	tb.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
}
