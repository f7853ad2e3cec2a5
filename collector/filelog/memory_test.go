package filelog_test

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lighter/collector/tail"
)

// An incomplete line takes little more memory than its bytes.
func TestMemoryOfUnfinishedLines(t *testing.T) {
	const (
		containers = 100
		pieces     = 15
		limit      = 27 << 20 // for 23.4 MiB of lines
	)
	synctest.Test(t, func(t *testing.T) {
		before := heap()
		text := strings.Repeat("x", 16<<10)
		buffers := &tail.Buffers{}
		var all []*bench
		for range containers {
			b := newBench(t)
			b.options.Buffers = buffers
			for range pieces {
				b.record(b.now, "stdout", text)
			}
			b.tail()
			all = append(all, b)
		}
		time.Sleep(5 * time.Second)
		if used := heap() - before; used > limit {
			t.Errorf("%d lines of %d pieces take %.1f MiB, want at most %d", containers, pieces, float64(used)/(1<<20), limit>>20)
		} else {
			t.Logf("%.1f MiB", float64(used)/(1<<20))
		}
		for _, b := range all {
			b.record(b.now, "stdout", "\n")
		}
		time.Sleep(5 * time.Second)
		for _, b := range all {
			if n := len(b.sink.Lines()); n != 1 {
				t.Fatalf("%d lines, want 1", n)
			}
		}
	})
}

// heap returns the number of bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC() // frees what a pool held when the first collection began
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
