package file_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"lighter"
	"lighter/collector/file"
	"lighter/collector/position"
	"lighter/collector/tail"
	"lighter/collector/tail/tailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a log file, and what a Tailer of it works with. Its Tailers look by the clock unless it is
// given a Watcher: tests of it run on the clock of a synctest bubble.
type bench struct {
	t         *testing.T
	dir, path string
	data      string // directory of the positions
	positions *position.Store
	sink      *tailtest.Sink
	log       *syncBuffer
	reg       *prometheus.Registry
	options   file.Options
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, path: filepath.Join(dir, "app.log"), sink: tailtest.NewSink(), log: &syncBuffer{}, reg: prometheus.NewRegistry()}
	b.options = file.Options{Options: tail.Options{
		KeyPrefix:    "files/out/",
		Buffers:      &tail.Buffers{},
		Metrics:      tail.NewMetrics(b.reg),
		Logger:       slog.New(slog.NewTextHandler(b.log, nil)),
		MaxLineBytes: 256 << 10,
		Patience:     time.Second,
	}}
	b.openPositions(nil)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	return b
}

// openPositions opens positions that begin with a journal.
func (b *bench) openPositions(journal []byte) {
	b.t.Helper()
	if b.positions != nil {
		b.must(b.positions.Close())
	}
	b.data = b.t.TempDir()
	if journal != nil {
		b.must(os.WriteFile(filepath.Join(b.data, "positions.jsonl"), journal, 0o600))
	}
	var err error
	b.positions, err = position.Open(b.data, b.options.Logger)
	b.must(err)
	b.t.Cleanup(func() { _ = b.positions.Close() })
	b.options.Positions = b.positions
}

// journal returns what is on disk of the positions.
func (b *bench) journal() []byte {
	b.t.Helper()
	journal, err := os.ReadFile(filepath.Join(b.data, "positions.jsonl"))
	b.must(err)
	return journal
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// write appends text to a file of the log's directory, the log itself if name is empty.
func (b *bench) write(name, text string) {
	b.t.Helper()
	path := b.path
	if name != "" {
		path = filepath.Join(b.dir, name)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	b.must(err)
	_, err = f.WriteString(text)
	b.must(err)
	b.must(f.Close())
}

// rename renames the log.
func (b *bench) rename(to string) {
	b.t.Helper()
	b.must(os.Rename(b.path, filepath.Join(b.dir, to)))
}

// cut copies the log, unless the copy's name is empty, and cuts it off.
func (b *bench) cut(copied string) {
	b.t.Helper()
	if copied != "" {
		content, err := os.ReadFile(b.path)
		b.must(err)
		b.must(os.WriteFile(filepath.Join(b.dir, copied), content, 0o640))
	}
	b.must(os.Truncate(b.path, 0))
}

// tailer runs a Tailer until the test ends, or until the function is called that it returns.
func (b *bench) tailer() (stop func()) {
	b.options.Logs = b.sink
	t := file.New(b.path, lighter.NewStream(labels.FromStrings("stream", "s")), b.options)
	ctx, cancel := context.WithCancelCause(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel(nil)
		if err := <-done; err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// runUntilGone runs a Tailer, and stops it as the Manager does when its target is gone.
func (b *bench) runUntilGone(while func()) {
	b.options.Logs = b.sink
	t := file.New(b.path, lighter.NewStream(labels.FromStrings("stream", "s")), b.options)
	ctx, cancel := context.WithCancelCause(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	while()
	cancel(lighter.ErrGone)
	if err := <-done; err != nil {
		b.t.Errorf("Run: %v", err)
	}
}

// want compares the lines that came.
func (b *bench) want(lines ...string) {
	b.t.Helper()
	want := []string{}
	for _, line := range lines {
		want = append(want, "s: "+line)
	}
	if diff := cmp.Diff(want, append([]string{}, b.sink.Lines()...)); diff != "" {
		b.t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// heap returns how many bytes are in use that are no garbage.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what a pool held when the first began
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// openFiles returns how many file descriptors the process has.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(entries)
}
