package tail_test

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// A batch that is filled, handed on and acknowledged allocates a fixed number of times, and nothing per
// line.
func TestAllocsFeed(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector lets pools forget")
	}
	const perBatch = 7 // its mark, its timer and the functions that release it
	for _, lines := range []int{1, 250, 2000} {
		o := tail.Options{
			Positions: position.InMemory(), Logs: acknowledging{}, Buffers: &tail.Buffers{}, Metrics: tail.NewMetrics(prometheus.NewRegistry()),
			Logger: slog.New(slog.DiscardHandler), Patience: time.Second,
		}
		f := tail.NewFeed(&lighter.Container{ID: "1", Name: "api"}, lighter.NewStream(labels.FromStrings("stream", "stdout")), nil, o)
		f.Start()
		f.Begin(position.NewSkipper(position.Position{}))
		line, at := make([]byte, 200), int64(1767323045e9)
		if n := testing.AllocsPerRun(200, func() {
			f.Chunk = o.Buffers.Get(tail.MaxChunk)
			for range lines {
				at += 1e6
				f.Add(&tail.Line{Time: at, Stream: tail.Stdout, Text: line, Borrowed: true})
			}
			if err := f.HandOn(t.Context(), 0, position.Bookmark{}); err != nil {
				t.Fatal(err)
			}
		}); n > perBatch {
			t.Errorf("%v allocations for a batch of %d lines, want at most %d", n, lines, perBatch)
		}
		f.Close()
	}
}

// acknowledging is a Sink that releases a batch at once.
type acknowledging struct{}

func (acknowledging) Append(_ context.Context, _ *lighter.Batch) error {
	return nil
}
