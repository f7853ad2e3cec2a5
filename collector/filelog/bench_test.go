package filelog_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"lighter"
	"lighter/collector/filelog"
	"lighter/collector/inotify"
	"lighter/collector/position"
	"lighter/collector/tail"
	"lighter/collector/tail/tailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// containers is a Containers with one container.
type containers struct {
	mu      sync.Mutex
	running bool
	gone    bool
}

func (c *containers) Container(id string) (*lighter.Container, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &lighter.Container{ID: id, Running: c.running}, !c.gone
}

func (c *containers) set(running, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.gone = running, gone
}

const someID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// bench is a container's log, and what its Tailer works with.
type bench struct {
	*driver
	t          *testing.T
	id         string
	sink       *tailtest.Sink
	containers *containers
	positions  *position.Store
	reg        *prometheus.Registry
	log        *syncBuffer
	options    filelog.Options
	data       string // directory of the positions
	tty        bool
	now        int64
	written    []string // lines written by say, as a sink shows them
}

// newBench makes a bench whose Tailers check the log by the clock. Its tests run in a synctest bubble.
func newBench(t *testing.T) *bench {
	t.Helper()
	root := t.TempDir()
	b := &bench{
		t: t, driver: newDriver(t, root, someID), id: someID, sink: tailtest.NewSink(), containers: &containers{running: true},
		reg: prometheus.NewRegistry(), log: &syncBuffer{}, now: 1767323045e9,
	}
	logger := slog.New(slog.NewTextHandler(b.log, nil))
	b.options = filelog.Options{
		Options: tail.Options{
			Logs:         b.sink,
			Buffers:      &tail.Buffers{},
			Metrics:      tail.NewMetrics(b.reg),
			Logger:       logger,
			MaxLineBytes: 256 << 10,
			Patience:     time.Second,
		},
		Root:       root,
		Containers: b.containers,
		Watcher:    &inotify.Watcher{},
	}
	b.openPositions(nil)
	return b
}

// say writes lines to stdout, a millisecond apart.
func (b *bench) say(lines ...string) {
	b.t.Helper()
	for _, line := range lines {
		b.now += 1e6
		b.write(b.now, "stdout", line)
		b.written = append(b.written, "out: "+line)
	}
}

// run is a running Tailer.
type run struct {
	*filelog.Tailer
	ended chan error
	stop  func() error
}

// tail runs a Tailer until the test ends, or until stop is called, which returns the result of Run.
func (b *bench) tail(prepare ...func(*filelog.Tailer)) *run {
	c := &lighter.Container{ID: b.id, Name: "api", TTY: b.tty, Running: true, LogDriver: "json-file"}
	out := lighter.NewStream(labels.FromStrings("stream", "out"))
	err := lighter.NewStream(labels.FromStrings("stream", "err"))
	r := &run{Tailer: filelog.New(c, out, err, b.options), ended: make(chan error, 1)}
	for _, p := range prepare {
		p(r.Tailer)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		r.ended <- r.Run(ctx)
	}()
	b.t.Cleanup(func() { cancel(); <-finished })
	r.stop = func() error { cancel(); <-finished; return <-r.ended }
	return r
}

// restart continues as a new process would after kill -9: with what is on disk, and a new sink. Without the
// bookmark, it is as if the log had been read from the socket.
func (b *bench) restart(keepBookmark bool) {
	b.t.Helper()
	journal, err := os.ReadFile(filepath.Join(b.data, "positions.jsonl"))
	b.must(err)
	if !keepBookmark {
		journal = regexp.MustCompile(`,"file":\{[^}]*\}`).ReplaceAll(journal, nil)
	}
	b.openPositions(journal)
	b.sink = tailtest.NewSink()
	b.options.Logs = b.sink
}

// openPositions opens the positions of a journal, in a directory of their own.
func (b *bench) openPositions(journal []byte) {
	b.t.Helper()
	b.data = b.t.TempDir()
	b.must(os.WriteFile(filepath.Join(b.data, "positions.jsonl"), journal, 0o600))
	s, err := position.Open(b.data, slog.New(slog.NewTextHandler(b.log, nil)))
	b.must(err)
	b.t.Cleanup(func() { b.must(s.Close()) })
	b.positions, b.options.Positions = s, s
}

// expect waits on the bubble's clock, and reports the lines of the sink that differ from those wanted.
func (b *bench) expect(want ...string) {
	b.t.Helper()
	time.Sleep(5 * time.Second)
	if diff := cmp.Diff(want, b.sink.Lines()); diff != "" {
		b.t.Fatalf("lines (-want +got):\n%.3000s\nlog:\n%s", diff, b.log)
	}
}

// patience is how long a test waits in real time for what a slow machine may take long to do.
const patience = 5 * time.Minute

// within waits for what happens in real time.
func (b *bench) within(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("no %s; lines: %.500q; log:\n%s", what, b.sink.Lines(), b.log)
		}
	}
}

func (b *bench) counter(name string) float64 {
	b.t.Helper()
	all, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	b.t.Fatalf("no metric %s", name)
	return 0
}

// said fails the test unless the log contains text the given number of times.
func (b *bench) said(times int, text string) {
	b.t.Helper()
	if n := strings.Count(b.log.String(), text); n != times {
		b.t.Errorf("%q is said %d times, want %d; log:\n%s", text, n, times, b.log)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
