package filelog_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/dockerlog"
	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

// engine is a client as package dockerlog requires it.
type engine struct{ *docker.Client }

func (e engine) OpenLogs(ctx context.Context, id string, since int64, follow bool, tail int) (io.ReadCloser, error) {
	return e.Client.OpenLogs(ctx, id, docker.LogOptions{Since: since, Follow: follow, Tail: tail})
}

// twoSources is a container whose log is read from the Engine and from its files.
type twoSources struct {
	*bench
	container *dockersim.Container
	engine    engine
	clock     atomic.Int64
	shown     []string
	times     []int64
}

func newTwoSources(t *testing.T, tty bool) *twoSources {
	s := &twoSources{bench: newWatchedBench(t)}
	e := dockersim.New(dockersim.Options{Now: func() time.Time { return time.Unix(0, s.clock.Load()) }})
	if err := e.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := docker.DefaultConfig()
	cfg.Host = e.Host()
	client, err := docker.NewClient(cfg, slog.New(slog.NewTextHandler(s.log, nil)))
	s.must(err)
	t.Cleanup(func() { s.must(client.Close()) })
	s.engine = engine{client}
	s.container = e.Create(dockersim.Spec{Name: "api", TTY: tty})
	s.container.Start()
	s.tty = tty
	s.id = s.container.ID()
	s.driver = newDriver(t, s.options.Root, s.id)
	s.maxFile = 100
	return s
}

// both writes a line to both sources.
func (s *twoSources) both(at int64, stream, line string) {
	s.clock.Store(at)
	to, end := dockersim.Stdout, "\n"
	if stream == "stderr" {
		to = dockersim.Stderr
	}
	if s.tty {
		end = "\r\n"
	}
	s.container.WriteAt(at, to, line)
	s.pieces(at, stream, line+end)
	s.shown, s.times = append(s.shown, stream[3:]+": "+line), append(s.times, at)
}

// tailSocket is tail for the Engine's API.
func (s *twoSources) tailSocket() (stop func() error) {
	out := lighter.NewStream(labels.FromStrings("stream", "out"))
	err := lighter.NewStream(labels.FromStrings("stream", "err"))
	t := dockerlog.New(&lighter.Container{ID: s.id, Name: "api", TTY: s.tty, Running: true}, out, err, dockerlog.Options{Options: s.options.Options, Engine: s.engine})
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- t.Run(ctx) }()
	return func() error { cancel(); return <-ended }
}

// A container's log may come from the Engine in one run and from its files in the next, with unacknowledged
// lines and rotations in between.
func TestSourcesAreInterchangeable(t *testing.T) {
	for _, tty := range []bool{false, true} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("terminal=%t, %d", tty, seed), func(t *testing.T) {
				t.Parallel()
				interchange(t, tty, rand.New(rand.NewPCG(seed, 1)))
			})
		}
	}
}

func interchange(t *testing.T, tty bool, r *rand.Rand) {
	s := newTwoSources(t, tty)
	first := 0
	for round := range 12 {
		for range 1 + r.IntN(60) {
			s.now += int64(r.IntN(3)) * int64(r.IntN(1e6))
			stream := "stdout"
			if !tty && r.IntN(2) == 0 {
				stream = "stderr"
			}
			at := s.now
			if r.IntN(8) == 0 {
				at -= int64(r.IntN(1000)) // two streams are written concurrently
			}
			s.both(at, stream, fmt.Sprintf("%d %s", len(s.shown), strings.Repeat("x<é", r.IntN(20))))
		}
		if r.IntN(3) == 0 {
			s.now += 2e9 // pieces and lines without an end are distinguished by their times
			s.both(s.now, "stdout", strings.Repeat("y", 40<<10))
			s.now++
		}
		stop := s.tailSocket
		if round%2 == 0 {
			stop = func() func() error { return s.tail().stop }
		}
		end := stop()
		s.within("lines", func() bool { return len(s.sink.Lines()) >= len(s.shown)-first })
		s.sink.Ack(r.IntN(10))
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if got := s.sink.Lines(); !slices.Equal(got, s.shown[first:]) || !slices.Equal(s.sink.Times(), s.times[first:]) {
			t.Fatalf("round %d: %d lines, want those from %d on, of %d; log:\n%s", round, len(got), first, len(s.shown), s.log)
		}
		first += s.sink.Acked()
		s.restart(true)
		if r.IntN(2) == 0 {
			s.rotate()
		}
	}
	if n := s.counter("lighter_log_gaps_total"); n != 0 {
		t.Errorf("gaps = %v, want 0", n)
	}
}
