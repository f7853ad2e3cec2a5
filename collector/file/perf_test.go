package file_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/file"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// counter is a lighter.Logs that counts, and acknowledges all at once.
type counter struct {
	lines int
	all   chan struct{} // closed when want lines have come
	want  int
}

func (c *counter) Append(_ context.Context, b *lighter.Batch) error {
	c.lines += len(b.Entries)
	if c.lines == c.want {
		close(c.all)
	}
	return nil
}

// readAll reads a file of so many lines once.
func readAll(tb testing.TB, path, encoding string, lines int, buffers *tail.Buffers) {
	positions, err := position.Open(tb.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	defer positions.Close()
	sink := &counter{all: make(chan struct{}), want: lines}
	t := file.New(path, lighter.NewStream(labels.FromStrings("job", "x")), file.Options{
		Options: tail.Options{
			Positions: positions, Logs: sink, Buffers: buffers, Metrics: tail.NewMetrics(prometheus.NewRegistry()),
			Logger: slog.New(slog.DiscardHandler), MaxLineBytes: 256 << 10, Patience: time.Second,
		},
		Encoding: encoding,
	})
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	select {
	case <-sink.all:
	case <-time.After(time.Minute):
		tb.Error("not all lines have come")
	}
	cancel()
	if err := <-done; err != nil {
		tb.Error(err)
	}
}

// Reading allocates for a read of some hundred lines, and for no line.
func TestAllocs(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector lets pools forget")
	}
	dir := t.TempDir()
	sizes := []int{1, 50_000}
	var allocs [2]float64
	buffers := &tail.Buffers{}
	for i, lines := range sizes {
		path := filepath.Join(dir, "a.log")
		if err := os.WriteFile(path, []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", lines)), 0o600); err != nil {
			t.Fatal(err)
		}
		allocs[i] = testing.AllocsPerRun(5, func() { readAll(t, path, "", lines, buffers) })
	}
	if each := (allocs[1] - allocs[0]) / float64(sizes[1]-sizes[0]); each > 0.05 {
		t.Errorf("%.3f allocations a line", each)
	} else {
		t.Logf("%.4f allocations a line", each)
	}
}

func BenchmarkRead(b *testing.B) {
	const lines = 200_000
	for name, encoding := range map[string]string{"utf-8": "", "latin1": "ISO-8859-1"} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "a.log")
			content := strings.Repeat(strings.Repeat("x", 199)+"\n", lines)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			buffers := &tail.Buffers{}
			for b.Loop() {
				readAll(b, path, encoding, lines, buffers)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
}
