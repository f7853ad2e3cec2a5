package dockerlog_test

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

// An incomplete line takes little more memory than its bytes: a hundred containers in the middle of a long
// line fit into a small agent.
func TestMemoryOfUnfinishedLines(t *testing.T) {
	const (
		containers = 100
		pieces     = 15
		limit      = 29 << 20 // for 23.4 MiB of lines
	)
	synctest.Test(t, func(t *testing.T) {
		before := heap()
		text := strings.Repeat("x", 16<<10)
		var all []*script
		for range containers {
			s := newScript(t)
			for range pieces {
				s.write(record{scriptTime, 1, text})
				synctest.Wait()
			}
			all = append(all, s)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("with garbage: %.1f MiB in use", float64(m.HeapInuse)/(1<<20))
		if used := heap() - before; used > limit {
			t.Errorf("%d lines of %d pieces take %.1f MiB, want at most %d", containers, pieces, float64(used)/(1<<20), limit>>20)
		} else {
			t.Logf("%.1f MiB", float64(used)/(1<<20))
		}
		for _, s := range all {
			s.write(record{scriptTime, 1, "\n"})
		}
		all[len(all)-1].settle()
		for _, s := range all {
			s.expectLen(1)
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
