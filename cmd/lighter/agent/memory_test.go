package agent

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"lighter/collector/scrape"
)

func TestLimitMemoryLeavesGOGCToTheEnvironment(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for setting, want := range map[string]int{"": garbagePercent, "100": 100} {
		debug.SetGCPercent(100)
		t.Setenv("GOGC", setting)
		_, release := limitMemory(slog.New(slog.DiscardHandler), memlimit.FromCgroup)
		release()
		if got := debug.SetGCPercent(100); got != want {
			t.Errorf("GOGC=%s: the heap may hold %d %% of garbage, want %d", setting, got, want)
		}
	}
}

func TestLimitMemoryLeavesGOMEMLIMITToTheEnvironment(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	t.Setenv("GOMEMLIMIT", "200MiB")
	debug.SetMemoryLimit(200 << 20) // as the Go runtime does when it starts
	pages, release := limitMemory(slog.New(slog.DiscardHandler), memlimit.FromCgroup)
	release()
	if got := debug.SetMemoryLimit(-1); got != 200<<20 {
		t.Errorf("the limit is %d, want what GOMEMLIMIT says", got)
	}
	if pages != 50<<20 {
		t.Errorf("pages may take %d, want a quarter of GOMEMLIMIT", pages)
	}
}

// TestMemoryWithoutALimit: heap and pages together leave some of 128 MiB for the binary.
func TestMemoryWithoutALimit(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	t.Setenv("GOMEMLIMIT", "")
	pages, release := limitMemory(slog.New(slog.DiscardHandler), func() (uint64, error) { return 0, memlimit.ErrNoLimit })
	defer release()
	if got := debug.SetMemoryLimit(-1); got != unlimitedHeap || pages != scrape.PageMemory || got+pages > 112<<20 {
		t.Errorf("heap %d and pages %d", got, pages)
	}
}

// TestRaiseLimit: the limit follows the memory in use, up and down, until it is released.
func TestRaiseLimit(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(unlimitedHeap))
	synctest.Test(t, func(t *testing.T) {
		var live atomic.Int64
		stop := raiseLimit(live.Load)
		for _, inUse := range []int64{0, 300 << 20, 60 << 20, 0} {
			live.Store(inUse)
			time.Sleep(heapCheck)
			synctest.Wait()
			if got := debug.SetMemoryLimit(-1); got != heapLimit(inUse) {
				t.Errorf("with %d bytes in use the limit is %d, want %d", inUse, got, heapLimit(inUse))
			}
		}
		stop()
		live.Store(300 << 20)
		time.Sleep(time.Minute)
		if got := debug.SetMemoryLimit(-1); got != unlimitedHeap {
			t.Errorf("the limit is %d after the end, want %d", got, unlimitedHeap)
		}
	})
}

// TestLiveHeap: liveHeap returns what a collection has found in use.
func TestLiveHeap(t *testing.T) {
	runtime.GC()
	if got := liveHeap(); got <= 0 {
		t.Errorf("live = %d, want more than nothing", got)
	}
}

func TestHeapLimitLeavesRoomForGarbage(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[int64]int64{
		0:         48 * mib,
		20 * mib:  48 * mib,
		30 * mib:  48 * mib,
		60 * mib:  88 * mib,
		300 * mib: 408 * mib,
	} {
		if got := heapLimit(live); got != want {
			t.Errorf("with %d MiB in use the limit is %d MiB, want %d", live/mib, got/mib, want/mib)
		}
	}
}
