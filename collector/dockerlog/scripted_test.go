package dockerlog_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
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
	"lighter/collector/stage"
	"lighter/collector/tail"
	"lighter/collector/tail/tailtest"
)

// scripted is an Engine with one log, whose follower misbehaves on request, as those of real Engines do
// when a log is rotated.
type scripted struct {
	everyLine bool            // like Engine 20.10: filters each line by itself, not all up to the first match
	leavesOut bool            // like Engine 20.10 with a compressed log: leaves out all rotated files if the oldest ends before since
	deaf      bool            // followers do not notice writes
	terminal  bool            // the container has a terminal: its log has no frames
	seconds   bool            // times are whole seconds, as Podman's
	grows     func() []record // written with each response that does not follow, after it was opened
	slow      time.Duration   // how long a response from a time on takes to begin
	away      bool            // no log can be opened
	mute      bool            // followers return nothing, though other responses do
	misses    int             // index in log of a record that followers leave out, or 0
	then      *record         // written when the next response that does not follow has been opened
	forgets   *rand.Rand      // like Podman: when the container stops, a follower leaves out half of the remaining records

	mu       sync.Mutex
	started  int64 // when the container's run began
	log      []record
	bad      map[int]bool // indexes in log of damaged records: a response ends before one
	swallows int          // or continues behind it and this many others, as Engine 20.10 may; 0 means that it ends
	first    int          // index in log of the oldest record kept
	file     int          // index in log where the current file begins
	ends     []int        // indexes in log where the earlier files end
	stopped  bool         // the container is stopped
	stopping bool         // like Podman: the container is being stopped, and still writes
	follower *follower    // the newest
	opened   int          // number of followers
	asked    int          // number of other responses
	lasts    int          // number of responses that began with one of the last messages
	forgot   int          // number of records that followers have left out because of forgets
}

// record is a line, or a piece of one, as the Engine keeps it.
type record struct {
	at     int64  // if negative, the Engine sends no timestamp
	stream byte   // 1 stdout, 2 stderr
	text   string // with its newline, unless it is a piece
}

var errBroken = errors.New("connection reset by peer")

func (e *scripted) OpenLogs(ctx context.Context, _ string, since int64, follow bool, last int) (io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		return nil, errBroken
	}
	f := &follower{e: e, since: since, next: e.first, held: len(e.log), changed: make(chan struct{}, 1)}
	switch {
	case last != 0:
		e.lasts++
		f.next = max(len(e.log)-max(last, 0), e.first)
	case e.leavesOut && since > 0 && e.oldestEndsBefore(since):
		f.next = e.file
	}
	if last == 0 {
		f.begins = time.Now().Add(e.slow)
		time.AfterFunc(e.slow, f.wake)
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
		if e.grows != nil {
			e.log = append(e.log, e.grows()...)
		}
	}
	f.forget = context.AfterFunc(ctx, func() { _ = f.Close() })
	return f, nil
}

// oldestEndsBefore reports whether all of the oldest rotated file is before a time.
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
	c := &lighter.Container{Running: !e.stopped && !e.stopping, Started: time.Unix(0, e.started)}
	if e.stopping {
		c.State = "stopping"
	}
	return c, nil
}

// start starts the container again.
func (e *scripted) start() { e.change(func() { e.stopped = false }) }

// stop ends the container.
func (e *scripted) stop() {
	e.change(func() {
		e.stopped = true
		if e.follower != nil {
			e.follower.follow, e.follower.limit = false, 0
		}
	})
}

// write appends to the log.
func (e *scripted) write(all ...record) {
	e.change(func() { e.log = append(e.log, all...) })
}

// rotate begins a new file and keeps the records from first on.
func (e *scripted) rotate(first int) {
	e.change(func() { e.file, e.first, e.ends = len(e.log), first, append(e.ends, len(e.log)) })
}

// reopen makes the follower read the current file from its start: it repeats records, or skips unread ones
// of older files.
func (e *scripted) reopen() {
	e.change(func() { e.follower.next = e.file })
}

// stand makes the follower read the given number of records and then hang, or continue if n is -1.
func (e *scripted) stand(more int) {
	e.change(func() {
		e.follower.limit = 0
		if more >= 0 {
			e.follower.limit = e.follower.next + more
		}
	})
}

// breakOff breaks the follower's connection.
func (e *scripted) breakOff() {
	e.change(func() { e.follower.broken, e.follower.why = true, errBroken })
}

// cut ends the follower's connection as a proxy does.
func (e *scripted) cut() {
	e.change(func() { e.follower.broken, e.follower.why = true, io.ErrUnexpectedEOF })
}

// look returns how many times the log was opened for following, and how far and whether the last follower
// has read.
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

// follower is a response of the Engine.
type follower struct {
	e       *scripted
	since   int64
	follow  bool
	next    int // index in log
	limit   int // index in log where it hangs; 0 means nowhere
	once    bool
	begins  time.Time // when it returns the first byte
	held    int       // index in log of the end when the follower was opened
	end     int       // index in log where it ends if it ends there
	matched bool
	broken  bool
	why     error // of broken
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
		return 0, f.why
	}
	if time.Now().Before(f.begins) {
		return 0, nil
	}
	f.next = max(f.next, f.e.first)
	end := len(f.e.log)
	if f.once {
		end = f.end
	}
	if f.follow && (f.e.deaf || f.e.mute) {
		return 0, nil
	}
	for ; f.next < end && (f.limit == 0 || f.next < f.limit) && len(f.buf) < len(p); f.next++ {
		r := f.e.log[f.next]
		if from := f.next; f.e.bad[from] && from < f.held { // a follower continues with what is written from now on
			f.next = f.held - 1
			if f.e.swallows > 0 {
				f.next = min(f.next, from+f.e.swallows)
			}
			continue
		}
		if f.e.forgets != nil && !f.once && !f.follow && f.e.forgets.IntN(2) == 0 {
			f.e.forgot++
			continue
		}
		if f.e.misses > 0 && f.e.misses == f.next && !f.once {
			continue
		}
		if r.at >= 0 && r.at < f.since && (f.e.everyLine || !f.matched) {
			continue
		}
		f.matched = true
		form := "2006-01-02T15:04:05.000000000Z07:00"
		if f.e.seconds {
			form = time.RFC3339
		}
		stamped := time.Unix(0, r.at).UTC().Format(form) + " " + r.text
		if r.at < 0 {
			stamped = r.text
		}
		if f.e.terminal {
			f.buf = append(f.buf, stamped...)
			continue
		}
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
	f.e.change(func() { f.broken, f.why = true, errBroken })
	f.wake()
	return nil
}

// script is a scripted Engine and what its Tailer works with. All of it is in a bubble.
type script struct {
	*scripted
	t         *testing.T
	sink      *tailtest.Sink
	positions *position.Store
	reg       *prometheus.Registry
	metrics   *tail.Metrics
	said      *syncBuffer // the log of the Tailer
	files     lighter.LogFiles
	begin     int64
	pieces    int // PieceBytes
	newEngine bool
	podman    bool
	stages    []stage.Maker
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
	return &script{scripted: &scripted{}, t: t, sink: tailtest.NewSink(), positions: position.InMemory(), reg: reg, metrics: tail.NewMetrics(reg), said: &syncBuffer{}, pieces: 1}
}

// tail runs a Tailer until the test ends or kill.
func (s *script) tail() {
	out := lighter.NewStream(labels.FromStrings("stream", "out"))
	err := lighter.NewStream(labels.FromStrings("stream", "err"))
	t := dockerlog.New(&lighter.Container{ID: scriptID, Running: true, TTY: s.terminal, LogFiles: s.files, OldEngine: !s.newEngine && !s.podman, Podman: s.podman}, out, err, dockerlog.Options{
		Options: tail.Options{
			Positions: s.positions, Logs: stage.NewChain(s.sink, stage.Log{}, nil, s.stages...), Buffers: &tail.Buffers{}, Metrics: s.metrics,
			Logger: slog.New(slog.NewTextHandler(s.said, nil)), MaxLineBytes: 256 << 10, Patience: time.Second, Begin: s.begin, PieceBytes: s.pieces,
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

// settle waits until everything there is has been read, with reopened streams if necessary.
func (s *script) settle() {
	time.Sleep(time.Hour) // of the bubble's clock, longer than any backoff
	synctest.Wait()
}

// kill continues as a new process does some time after kill -9: from the acknowledged position, with
// nothing else remembered.
func (s *script) kill(meanwhile ...func()) {
	s.die()
	for _, f := range meanwhile {
		f()
	}
	s.tail()
}

// die ends the process. The next one knows only what is acknowledged.
func (s *script) die() {
	acked := s.positions.Acked(scriptID)
	s.stopTail()
	s.positions = position.InMemory()
	s.positions.Cursor(scriptID).Start(acked)
	s.sink = tailtest.NewSink()
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

// out and err return complete lines, n microseconds from the beginning.
func out(n int64, text string) record  { return record{scriptTime + n*1000, 1, text + "\n"} }
func errs(n int64, text string) record { return record{scriptTime + n*1000, 2, text + "\n"} }

// expectLen checks the number of lines in the sink.
func (s *script) expectLen(n int) {
	s.t.Helper()
	if got := len(s.sink.Lines()); got != n {
		s.t.Fatalf("%d lines, want %d", got, n)
	}
}
