package filelog

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/inotify"
	"lighter/collector/position"
	"lighter/collector/tail"
)

// Scanning a line of the file for its time, stream and text allocates nothing.
func TestAllocsScan(t *testing.T) {
	for _, kind := range kinds {
		for _, n := range []int{0, 200, 8000} {
			line := bytes.TrimSuffix(logOf(1, n, kind.text), newline)
			s, scratch := new(scanner), make([]byte, 0, 64<<10)
			if n := testing.AllocsPerRun(100, func() {
				if _, err := s.scan(append(scratch[:0], line...)); err != nil { // scan writes into it
					t.Fatal(err)
				}
			}); n > 0 {
				t.Errorf("%s of %d bytes: %v allocations a line, want 0", kind.name, len(line), n)
			}
		}
	}
}

// Reading a file into batches that are handed on and acknowledged allocates only for the Tailer and for
// each batch of some two hundred lines, not for a line.
func TestAllocsRead(t *testing.T) {
	if raceDetector() {
		t.Skip("the race detector lets pools forget")
	}
	const few, many = 2_000, 22_000
	atOnce := func(lines int) float64 {
		root := t.TempDir()
		o := Options{
			Options: tail.Options{
				Positions: position.InMemory(), Logs: discard{}, Buffers: &tail.Buffers{}, Metrics: tail.NewMetrics(prometheus.NewRegistry()),
				Logger: slog.New(slog.DiscardHandler), MaxLineBytes: 256 << 10, Patience: time.Second,
			},
			Root: root, Containers: stopped{}, Watcher: &inotify.Watcher{},
		}
		log := logOf(lines, 200, kinds[0].text)
		i := 0
		tailer := func() *Tailer {
			i++
			c := &lighter.Container{ID: fmt.Sprint(i), Name: "api"}
			path := Path(root, c)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, log, 0o600); err != nil {
				t.Fatal(err)
			}
			return New(c, lighter.NewStream(labels.FromStrings("a", "b")), nil, o)
		}
		const runs = 10
		var tailers []*Tailer
		for range runs + 1 { // AllocsPerRun runs once to warm up
			tailers = append(tailers, tailer())
		}
		return testing.AllocsPerRun(runs, func() {
			next := tailers[0]
			tailers = tailers[1:]
			if err := next.Run(t.Context()); err != tail.ErrStopped || next.Status().Delivered != int64(lines) {
				t.Fatal(err, next.Status())
			}
		})
	}
	if perLine := (atOnce(many) - atOnce(few)) / (many - few); perLine > 0.05 {
		t.Errorf("%v allocations a line, want at most 0.05: what a batch takes, over its lines", perLine)
	}
}

// raceDetector reports whether the race detector is on.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
