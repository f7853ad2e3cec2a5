package dockerlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"lighter"
	"lighter/collector/dockerlog"
	"lighter/collector/position"
	"lighter/collector/tail"
	"lighter/collector/tail/tailtest"
	"lighter/discovery/dockersim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is the minimal Engine client that a Tailer needs.
type client struct{ base string }

func (c client) get(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, nil
	case http.StatusNotFound, http.StatusConflict:
		err = lighter.ErrGone
	case http.StatusNotImplemented:
		err = lighter.ErrUnreadable
	default:
		err = errors.New(resp.Status)
	}
	return nil, errors.Join(err, resp.Body.Close())
}

func (c client) OpenLogs(ctx context.Context, id string, since int64, follow bool, last int) (io.ReadCloser, error) {
	q := url.Values{"stdout": {"1"}, "stderr": {"1"}, "timestamps": {"1"}, "since": {fmt.Sprintf("%d.%09d", since/1e9, since%1e9)}}
	if follow {
		q.Set("follow", "1")
	}
	if last != 0 {
		q.Set("tail", strconv.Itoa(max(last, 0)))
	}
	return c.get(ctx, "/containers/"+id+"/logs?"+q.Encode())
}

func (c client) Inspect(ctx context.Context, id string) (*lighter.Container, error) {
	body, err := c.get(ctx, "/containers/"+id+"/json")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var v struct{ State struct{ Running bool } }
	if err := json.NewDecoder(body).Decode(&v); err != nil {
		return nil, err
	}
	return &lighter.Container{ID: id, Running: v.State.Running}, nil
}

// bench is an Engine with one container, and what its Tailer works with.
type bench struct {
	t         *testing.T
	engine    *dockersim.Engine
	container *dockersim.Container
	sink      *tailtest.Sink
	positions *position.Store
	reg       *prometheus.Registry
	log       *syncBuffer
	options   dockerlog.Options
	tty       bool
	files     lighter.LogFiles
}

// bothWays tests a log that is followed and one that is read in rounds: the results must not differ.
func bothWays(t *testing.T, test func(t *testing.T, files lighter.LogFiles)) {
	t.Run("followed", func(t *testing.T) { test(t, lighter.LogFiles{}) })
	t.Run("in rounds", func(t *testing.T) { test(t, small) })
}

func newBench(t *testing.T, spec dockersim.Spec) *bench {
	t.Helper()
	e := dockersim.New(dockersim.Options{})
	if err := e.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{t: t, engine: e, container: e.Create(spec), sink: tailtest.NewSink(), positions: position.InMemory(), reg: prometheus.NewRegistry(), log: &syncBuffer{}, tty: spec.TTY}
	b.container.Start()
	b.options = dockerlog.Options{
		Options: tail.Options{
			Positions:    b.positions,
			Logs:         b.sink,
			Buffers:      &tail.Buffers{},
			Metrics:      tail.NewMetrics(b.reg),
			Logger:       slog.New(slog.NewTextHandler(b.log, nil)),
			MaxLineBytes: 256 << 10,
			Patience:     time.Hour,
		},
		Engine: client{"http" + strings.TrimPrefix(e.Host(), "tcp")},
	}
	return b
}

// tail runs a Tailer until the test ends; stop ends it earlier. Both return what Run returned.
func (b *bench) tail() (tailer *dockerlog.Tailer, done <-chan error, stop func() error) {
	c := &lighter.Container{ID: b.container.ID(), Name: b.container.Name(), TTY: b.tty, Running: true, LogFiles: b.files, OldEngine: b.files == small}
	out := lighter.NewStream(labels.FromStrings("stream", "out"))
	err := lighter.NewStream(labels.FromStrings("stream", "err"))
	t := dockerlog.New(c, out, err, b.options)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		ended <- t.Run(ctx)
	}()
	b.t.Cleanup(func() { cancel(); <-finished })
	return t, ended, func() error { cancel(); return <-ended }
}

// wait waits until the sink has the lines, and fails the test if it gets others.
func (b *bench) wait(want ...string) {
	b.t.Helper()
	b.until(func() bool { return len(b.sink.Lines()) >= len(want) }, fmt.Sprintf("%d lines", len(want)))
	if diff := cmp.Diff(want, b.sink.Lines()); diff != "" {
		b.t.Fatalf("lines (-want +got):\n%s", diff)
	}
}

// patience is how long a test waits for what a slow machine may take long to do.
const patience = 5 * time.Minute

// until waits until something is so.
func (b *bench) until(ok func() bool, what string) {
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

func TestFollow(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		b.container.Write(dockersim.Stdout, "before")
		_, done, _ := b.tail()
		b.wait("out: before")
		b.container.Write(dockersim.Stdout, "")
		b.container.Write(dockersim.Stderr, "oops")
		b.container.Write(dockersim.Stdout, strings.Repeat("x", 40<<10))
		b.container.WriteUnfinished(dockersim.Stdout, "bye")
		b.container.Stop(0)
		b.wait("out: before", "out: ", "err: oops", "out: "+strings.Repeat("x", 40<<10), "out: bye")
		if err := <-done; !errors.Is(err, tail.ErrStopped) {
			t.Errorf("err = %v, want %v", err, tail.ErrStopped)
		}
		if n := b.counter("lighter_log_lines_read_total"); n != 5 {
			t.Errorf("lines read = %v, want 5", n)
		}
	})
}

func TestTerminal(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "shell", TTY: true})
		b.files = files
		_, done, _ := b.tail()
		b.container.Write(dockersim.Stdout, "hello")
		b.wait("out: hello")
		b.container.Write(dockersim.Stdout, strings.Repeat("x", 40<<10))
		b.container.WriteUnfinished(dockersim.Stdout, "$ ")
		b.container.Stop(0)
		b.wait("out: hello", "out: "+strings.Repeat("x", 40<<10), "out: $ ")
		if err := <-done; !errors.Is(err, tail.ErrStopped) {
			t.Errorf("err = %v, want %v", err, tail.ErrStopped)
		}
	})
}

// Only acknowledgements move a position: the next process sends again what was not acknowledged, and
// nothing else.
func TestReadAgainFromTheAcknowledgedPosition(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		_, _, stop := b.tail()
		b.container.Write(dockersim.Stdout, "one")
		b.container.Write(dockersim.Stderr, "two")
		b.wait("out: one", "err: two")
		b.sink.AckAll()
		b.container.Write(dockersim.Stdout, "three")
		b.wait("out: one", "err: two", "out: three")
		if err := stop(); err != nil {
			t.Fatalf("Run at the end of its context: %v", err)
		}
		acked := b.positions.Acked(b.container.ID())

		b.sink = tailtest.NewSink()
		b.options.Logs = b.sink
		b.positions = position.InMemory()
		b.options.Positions = b.positions
		b.positions.Cursor(b.container.ID()).Start(acked)
		b.container.Write(dockersim.Stdout, "four")
		b.tail()
		b.wait("out: three", "out: four")
	})
}

// In a process where nothing dies a line is sent once, however often its stream breaks.
func TestBrokenStreams(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		b.tail()
		var want []string
		for i := range 5 {
			line := fmt.Sprint("line ", i)
			b.container.Write(dockersim.Stdout, line)
			want = append(want, "out: "+line)
			b.wait(want...)
			b.engine.KillConnections()
		}
		if err := b.engine.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEngineAway(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		b.tail()
		b.container.Write(dockersim.Stdout, "one")
		b.wait("out: one")
		b.engine.Down()
		b.until(func() bool { return strings.Contains(b.log.String(), "the log stream broke") }, "warning")
		b.container.Write(dockersim.Stdout, "two")
		if err := b.engine.Up(); err != nil {
			t.Fatal(err)
		}
		b.wait("out: one", "out: two")
		b.until(func() bool { return strings.Contains(b.log.String(), "read again") }, "word of the recovery")
	})
}

func TestRestart(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		_, done, _ := b.tail()
		b.container.Write(dockersim.Stdout, "one")
		b.container.WriteUnfinished(dockersim.Stdout, "last words")
		b.container.Stop(1)
		b.wait("out: one", "out: last words")
		if err := <-done; !errors.Is(err, tail.ErrStopped) {
			t.Fatalf("err = %v, want %v", err, tail.ErrStopped)
		}
		b.container.Start()
		b.container.Write(dockersim.Stdout, "two")
		b.tail()
		b.wait("out: one", "out: last words", "out: two")
	})
}

func TestQuickRestartIsFollowedOn(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		b.tail()
		b.container.Write(dockersim.Stdout, "one")
		b.wait("out: one")
		b.container.WriteUnfinished(dockersim.Stderr, "last words")
		b.container.Restart()
		b.container.Write(dockersim.Stderr, "two")
		b.wait("out: one", "err: last words", "err: two")
		if n := testutil.ToFloat64(b.options.Metrics.Reopens.Ended); files == (lighter.LogFiles{}) && n != 1 {
			t.Errorf("reopened because it ended = %v, want 1", n)
		}
	})
}

func TestRemoved(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "job"})
		b.files = files
		_, done, _ := b.tail()
		b.container.Write(dockersim.Stdout, "one")
		b.wait("out: one")
		b.container.Stop(0)
		b.container.Remove()
		if err := <-done; !errors.Is(err, lighter.ErrGone) && !errors.Is(err, tail.ErrStopped) {
			t.Errorf("err = %v, want %v or %v", err, lighter.ErrGone, tail.ErrStopped)
		}
		b.wait("out: one")
	})
}

func TestUnreadableDriver(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "quiet", Driver: "none"})
		b.files = files
		_, done, _ := b.tail()
		if err := <-done; !errors.Is(err, lighter.ErrUnreadable) {
			t.Errorf("err = %v, want %v", err, lighter.ErrUnreadable)
		}
	})
}

// An error of the Engine in the middle of its response is logged once, however often it comes.
func TestErrorInTheStream(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		b.container.Write(dockersim.Stdout, "one")
		b.container.FailLogs("unexpected EOF")
		tailer, _, _ := b.tail()
		b.wait("out: one")
		b.until(func() bool { return testutil.ToFloat64(b.options.Metrics.Reopens.Broken) >= 3 }, "third attempt")
		if n := strings.Count(b.log.String(), "unexpected EOF"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, b.log)
		}
		b.until(func() bool { // each attempt opens the log before it fails
			st := tailer.Status()
			return st.State == tail.Broken && strings.Contains(st.LastError, "unexpected EOF")
		}, "status of a broken log")
		b.container.FailLogs("")
		b.container.Write(dockersim.Stdout, "two")
		b.wait("out: one", "out: two")
	})
}

// A stream is not kept open while there is no room: the Engine would skip lines that are rotated in the
// meantime.
func TestFullSinkClosesTheStream(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		b.options.Patience = time.Millisecond
		open := b.sink.Block()
		tailer, _, _ := b.tail()
		b.container.Write(dockersim.Stdout, "one")
		<-b.sink.Asked()
		b.until(func() bool { return tailer.Status().State == tail.Waiting }, "closed stream")
		b.container.Write(dockersim.Stdout, "two")
		open()
		b.wait("out: one", "out: two")
		follows := 0
		for _, r := range b.engine.Requests() {
			if strings.HasSuffix(r.Path, "/logs") && strings.Contains(r.Query, "follow=1") {
				follows++
			}
		}
		if files == (lighter.LogFiles{}) && follows < 2 {
			t.Error("the log was opened once, want twice: it was closed while there was no room")
		}
	})
}

func TestStopWhileFullHandsOnNothing(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		open := b.sink.Block()
		_, _, stop := b.tail()
		b.container.Write(dockersim.Stdout, "one")
		<-b.sink.Asked()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if read, oldest := b.positions.Cursor(b.container.ID()).Read(), b.positions.Oldest(); oldest != 0 || read.Lines != 0 {
			t.Errorf("read = %s, and a line of %d waits: what was not handed on must be read again", read, oldest)
		}
		open()
		b.tail()
		b.wait("out: one")
	})
}

func TestRotationIsSaid(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		b.options.Patience = time.Millisecond
		now := time.Now().UnixNano()
		open := b.sink.Block()
		tailer, _, _ := b.tail()
		b.container.WriteAt(now, dockersim.Stdout, "one")
		<-b.sink.Asked()
		b.until(func() bool { return tailer.Status().State == tail.Waiting }, "closed stream")
		b.container.WriteAt(now+1e9, dockersim.Stdout, "two")
		b.container.WriteAt(now+61e9, dockersim.Stdout, "three")
		b.container.Rotate(2) // one and two are gone
		open()
		b.wait("out: one", "out: three")
		if n := b.counter("lighter_log_gaps_total"); n != 1 || !strings.Contains(b.log.String(), "gap=1m1s") {
			t.Errorf("gaps = %v, want 1; log:\n%s", n, b.log)
		}
	})
}

// What is not read of a new log must stay unread after a crash, too.
func TestFirstSightBegins(t *testing.T) {
	bothWays(t, func(t *testing.T, files lighter.LogFiles) {
		b := newBench(t, dockersim.Spec{Name: "api"})
		b.files = files
		now := time.Now().UnixNano()
		b.container.WriteAt(now-3600e9, dockersim.Stdout, "old")
		b.container.WriteAt(now, dockersim.Stdout, "new")
		b.options.Begin = now - 60e9
		b.tail()
		b.wait("out: new")
		if got := b.positions.Acked(b.container.ID()); got.Time != now-60e9 {
			t.Errorf("acked = %s, want the beginning", got)
		}
	})
}
