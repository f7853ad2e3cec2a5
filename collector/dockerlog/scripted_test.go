package dockerlog_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/dockerlog"
	"lighter/collector/position"
	"lighter/collector/tail"
	"lighter/collector/tail/tailtest"
)

// scripted is an Engine with one log, whose follower goes wrong when the test says so, as those
// of real ones do when a log is rotated.
type scripted struct {
	everyLine bool    // filters as Engine 20.10: each line by itself, not all up to the first match
	leavesOut bool    // as Engine 20.10 with a compressed log: all rotated files if the oldest ends before since
	deaf      bool    // followers hear of nothing that is written
	then      *record // is written when the next answer that is none of a follower has been opened

	mu       sync.Mutex
	log      []record
	first    int       // of log, the oldest that is still held
	file     int       // of log, where the current file begins
	ends     []int     // of log, where the files before it end
	stopped  bool      // the container is
	follower *follower // the newest
	opened   int       // followers
	asked    int       // answers that were none
}

// record is a line, or a piece of one, as the Engine keeps it.
type record struct {
	at     int64
	stream byte   // 1 stdout, 2 stderr
	text   string // with its newline, unless it is a piece
}

var errBroken = errors.New("connection reset by peer")

func (e *scripted) OpenLogs(ctx context.Context, _ string, since int64, follow bool, last int) (io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := &follower{e: e, since: since, next: e.first, changed: make(chan struct{}, 1)}
	switch {
	case last != 0:
		f.next = max(len(e.log)-max(last, 0), e.first)
	case e.leavesOut && since > 0 && e.oldestEndsBefore(since):
		f.next = e.file
	}
	if follow {
		f.follow = !e.stopped
		e.follower = f
		e.opened++
	} else {
		e.asked++
		f.once, f.end = true, len(e.log)
		if e.then != nil {
			e.log, e.then = append(e.log, *e.then), nil
		}
	}
	f.forget = context.AfterFunc(ctx, func() { _ = f.Close() })
	return f, nil
}

// oldestEndsBefore reports whether the oldest file that was rotated away is all before a time.
func (e *scripted) oldestEndsBefore(at int64) bool {
	for _, end := range e.ends {
		if end > e.first {
			return e.log[end-1].at < at
		}
	}
	return false
}

func (e *scripted) Inspect(context.Context, string) (*lighter.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return &lighter.Container{Running: !e.stopped}, nil
}

// stop ends the container.
func (e *scripted) stop() {
	e.change(func() {
		e.stopped = true
		if e.follower != nil {
			e.follower.follow = false
		}
	})
}

func (*scripted) Gone(error) bool       { return false }
func (*scripted) Unreadable(error) bool { return false }

// write appends to the log.
func (e *scripted) write(all ...record) {
	e.change(func() { e.log = append(e.log, all...) })
}

// rotate begins a new file and keeps the records from first on.
func (e *scripted) rotate(first int) {
	e.change(func() { e.file, e.first, e.ends = len(e.log), first, append(e.ends, len(e.log)) })
}

// reopen has the follower read the current file from its start: again, or past what it has
// not read of older ones.
func (e *scripted) reopen() {
	e.change(func() { e.follower.next = e.file })
}

// stand has the follower read so many records more and then stand still, or go on if it is -1.
func (e *scripted) stand(more int) {
	e.change(func() {
		e.follower.limit = 0
		if more >= 0 {
			e.follower.limit = e.follower.next + more
		}
	})
}

// breakOff ends the follower's connection.
func (e *scripted) breakOff() { e.change(func() { e.follower.broken = true }) }

// look returns how many logs were opened to follow them, and how far and whether the last one
// is read.
func (e *scripted) look() (opened, next int, open bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.opened, e.follower.next, !e.follower.broken
}

func (e *scripted) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	if e.follower != nil {
		e.follower.wake()
	}
}

// follower is an answer of the Engine.
type follower struct {
	e       *scripted
	since   int64
	follow  bool
	next    int // of the log
	limit   int // of the log, where it stands still; 0: nowhere
	once    bool
	end     int // of the log, where it ends if it is once
	matched bool
	broken  bool
	buf     []byte
	changed chan struct{}
	forget  func() bool
}

func (f *follower) wake() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *follower) Read(p []byte) (int, error) {
	for {
		n, err := f.read(p)
		if n > 0 || err != nil {
			return n, err
		}
		<-f.changed
	}
}

func (f *follower) read(p []byte) (int, error) {
	f.e.mu.Lock()
	defer f.e.mu.Unlock()
	if f.broken {
		return 0, errBroken
	}
	f.next = max(f.next, f.e.first)
	end := len(f.e.log)
	if f.once {
		end = f.end
	}
	if f.follow && f.e.deaf {
		return 0, nil
	}
	for ; f.next < end && (f.limit == 0 || f.next < f.limit) && len(f.buf) < len(p); f.next++ {
		r := f.e.log[f.next]
		if r.at < f.since && (f.e.everyLine || !f.matched) {
			continue
		}
		f.matched = true
		stamped := time.Unix(0, r.at).UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " " + r.text
		f.buf = append(f.buf, r.stream, 0, 0, 0)
		f.buf = binary.BigEndian.AppendUint32(f.buf, uint32(len(stamped)))
		f.buf = append(f.buf, stamped...)
	}
	n := copy(p, f.buf)
	if f.buf = f.buf[n:]; len(f.buf) == 0 {
		f.buf = nil
	}
	if n == 0 && f.next >= end && !f.follow {
		return 0, io.EOF
	}
	return n, nil
}

func (f *follower) Close() error {
	f.forget()
	f.e.change(func() { f.broken = true })
	f.wake()
	return nil
}

// script is a scripted Engine and what a Tailer of it works with. All of it is in a bubble.
type script struct {
	*scripted
	t         *testing.T
	sink      *tailtest.Sink
	positions *position.Store
	reg       *prometheus.Registry
	metrics   *tail.Metrics
	files     lighter.LogFiles
	begin     int64
	ended     error // what Run returned
	stopTail  func()
}

const scriptID = "api"

func newScript(t *testing.T) *script {
	s := unreadScript(t)
	s.tail()
	return s
}

// unreadScript is newScript without a Tailer yet.
func unreadScript(t *testing.T) *script {
	reg := prometheus.NewRegistry()
	return &script{scripted: &scripted{}, t: t, sink: tailtest.NewSink(), positions: position.InMemory(), reg: reg, metrics: tail.NewMetrics(reg)}
}

// tail runs a Tailer until the test ends or kill.
func (s *script) tail() {
	out := lighter.NewStream(labels.FromStrings("stream", "out"))
	err := lighter.NewStream(labels.FromStrings("stream", "err"))
	t := dockerlog.New(&lighter.Container{ID: scriptID, Running: true, LogFiles: s.files}, out, err, dockerlog.Options{
		Options: tail.Options{
			Positions: s.positions, Sink: s.sink, Buffers: &tail.Buffers{}, Metrics: s.metrics,
			Logger: slog.New(slog.DiscardHandler), MaxLineBytes: 256 << 10, Patience: time.Second, Begin: s.begin,
		},
		Engine: s.scripted,
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ended = t.Run(ctx)
	}()
	s.stopTail = sync.OnceFunc(func() {
		cancel()
		s.breakOff()
		<-done
	})
	s.t.Cleanup(func() { s.stopTail() })
	s.settle()
}

// settle waits until all is read that is there, reopened if need be.
func (s *script) settle() {
	time.Sleep(time.Hour) // of the bubble's clock, longer than any backoff
	synctest.Wait()
}

// kill goes on as a new process does after kill -9, some time later: from what is
// acknowledged, with nothing else remembered.
func (s *script) kill(meanwhile ...func()) {
	acked := s.positions.Acked(scriptID)
	s.stopTail()
	s.positions = position.InMemory()
	s.positions.Cursor(scriptID).Start(acked)
	s.sink = tailtest.NewSink()
	for _, f := range meanwhile {
		f()
	}
	s.tail()
}

// expect compares the lines of the sink.
func (s *script) expect(want ...string) {
	s.t.Helper()
	s.settle()
	if diff := cmp.Diff(want, s.sink.Lines()); diff != "" {
		s.t.Fatalf("position %s; lines (-want +got):\n%s", s.positions.Acked(scriptID), diff)
	}
}

const scriptTime = int64(946684800_000_000_001) // when a bubble begins

// out and err are whole lines, n microseconds from the beginning.
func out(n int64, text string) record  { return record{scriptTime + n*1000, 1, text + "\n"} }
func errs(n int64, text string) record { return record{scriptTime + n*1000, 2, text + "\n"} }

// expectLen wants so many lines in the sink.
func (s *script) expectLen(n int) {
	s.t.Helper()
	if got := len(s.sink.Lines()); got != n {
		s.t.Fatalf("%d lines, want %d", got, n)
	}
}
