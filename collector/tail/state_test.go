package tail_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// counting is a stage that counts lines, and keeps the count with the position.
type counting struct {
	lines int
	held  []*lighter.Batch
}

func (s *counting) Append(_ context.Context, b *lighter.Batch) error {
	s.lines += len(b.Entries)
	b.SetState(fmt.Append(nil, s.lines))
	b.Hold()
	s.held = append(s.held, b)
	return nil
}

// The state of a stage is stored as of the acknowledged lines, under the key of its path.
func TestFeedKeepsTheStateOfStages(t *testing.T) {
	dir := t.TempDir()
	positions, err := position.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stage := &counting{}
	o := tail.Options{
		Positions: positions, KeyPrefix: "logs/loki/", Logs: stage, Buffers: &tail.Buffers{}, Metrics: tail.NewMetrics(prometheus.NewRegistry()),
		Logger: slog.New(slog.DiscardHandler), Patience: time.Second,
	}
	f := tail.NewFeed(&lighter.Container{ID: "1", Name: "api"}, lighter.NewStream(labels.FromStrings("stream", "stdout")), nil, o)
	f.Start()
	f.Begin(position.NewSkipper(position.Position{}))
	for batch := range 3 {
		f.Chunk = o.Buffers.Get(tail.MinChunk)
		for line := range 10 {
			f.Add(&tail.Line{Time: int64(1 + 10*batch + line), Stream: tail.Stdout, Text: []byte("line"), Borrowed: true})
		}
		if err := f.HandOn(t.Context(), 0, position.Bookmark{}); err != nil {
			t.Fatal(err)
		}
	}
	stage.held[0].Done()
	stage.held[1].Done()
	f.Close()
	if err := positions.Close(); err != nil {
		t.Fatal(err)
	}
	positions, err = position.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = positions.Close() }()
	c := positions.Cursor("logs/loki/1")
	if got, at := string(positions.State("logs/loki/1")), c.Read().Time; got != "20" || at != 20 {
		t.Errorf("the count is %q at line %d, want 20 at line 20: the third batch is not acknowledged", got, at)
	}
}

// slow is a Logs that has room for a batch only after a while.
type slow struct {
	takes time.Duration
	calls int
}

func (s *slow) Append(ctx context.Context, _ *lighter.Batch) error {
	s.calls++
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A batch that must wait for room passes the stages once, and Full is called while it waits.
func TestFeedWaitsForRoom(t *testing.T) {
	for name, tc := range map[string]struct {
		takes time.Duration
		full  int
		err   error
	}{
		"room soon":                       {takes: 500 * time.Millisecond},
		"room after Patience":             {takes: time.Minute, full: 1, err: tail.ErrFull},
		"no room before the context ends": {takes: time.Hour, full: 1, err: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logs := &slow{takes: tc.takes}
				o := tail.Options{
					Positions: position.InMemory(), Logs: logs, Buffers: &tail.Buffers{}, Metrics: tail.NewMetrics(prometheus.NewRegistry()),
					Logger: slog.New(slog.DiscardHandler), Patience: time.Second,
				}
				f := tail.NewFeed(&lighter.Container{ID: "1"}, lighter.NewStream(labels.FromStrings("stream", "stdout")), nil, o)
				full, state := 0, ""
				f.Full = func() { full, state = full+1, f.State.Status().State }
				f.Start()
				f.Begin(position.NewSkipper(position.Position{}))
				f.Chunk = o.Buffers.Get(tail.MinChunk)
				f.Add(&tail.Line{Time: 1, Text: []byte("line"), Borrowed: true})
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				err := f.HandOn(ctx, 0, position.Bookmark{})
				if !errors.Is(err, tc.err) || logs.calls != 1 || full != tc.full || full > 0 && state != tail.Waiting {
					t.Errorf("err = %v, %d calls of Append, %d of Full in state %q; want %v, 1, %d", err, logs.calls, full, state, tc.err, tc.full)
				}
				if read := f.State.Status().Read; (read == 1) != (err == nil || err == tail.ErrFull) {
					t.Errorf("%d lines are handed on, err = %v", read, err)
				}
				f.Close()
			})
		})
	}
}
