package agent

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/scrape"
	"lighter/config"
	"lighter/exporters/loki"
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

// takes returns how many bytes of log lines an endpoint takes into memory that does not deliver them.
func takes(t *testing.T, a *Agent, endpoint string) (bytes int) {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end() // so that an endpoint without room says so at once
	stream := lighter.NewStream(labels.FromStrings("service", "api"))
	for {
		b := &lighter.Batch{Streams: []*lighter.Stream{stream}, Entries: []lighter.Entry{{Time: 1, Line: []byte("x")}}, Bytes: 64 << 10}
		b.Begin(nil)
		if err := a.graph.Load().part(endpoint).logs.Append(ended, b); err != nil {
			return bytes
		}
		b.Done()
		if bytes += b.Bytes; bytes > 10*logMemory {
			t.Fatalf("%s has taken %d bytes, and takes more", endpoint, bytes)
		}
	}
}

// The memory for log lines is divided among the endpoints that a plan has, also after a reload.
func TestMemoryForLogLinesIsDividedAnewAtAReload(t *testing.T) {
	dir := t.TempDir()
	plan := func(endpoints ...string) *config.Plan {
		p := &config.Plan{Agent: config.Agent{DataDir: dir, BufferMax: 1 << 20}}
		for _, name := range endpoints {
			c := loki.DefaultConfig()
			c.URL = "http://loki.test"
			p.Nodes = append(p.Nodes, config.Node{Name: name, Args: c})
		}
		return p
	}
	for name, tc := range map[string]struct {
		before, after []string
		want          int // bytes of each endpoint
	}{
		"one more":   {[]string{"a"}, []string{"a", "b"}, logMemory / 2},
		"two more":   {[]string{"a"}, []string{"b", "a", "c"}, logMemory / 3},
		"many more":  {[]string{"a", "b"}, []string{"a", "b", "c", "d"}, minLogMemory},
		"one less":   {[]string{"a", "b"}, []string{"b"}, logMemory},
		"two less":   {[]string{"a", "b", "c"}, []string{"c"}, logMemory},
		"another":    {[]string{"a", "b"}, []string{"a", "c"}, logMemory / 2},
		"nothing":    {[]string{"a", "b"}, []string{"a", "b"}, logMemory / 2},
		"all others": {[]string{"a"}, []string{"b", "c"}, logMemory / 2},
	} {
		t.Run(name, func(t *testing.T) {
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
			defer debug.SetGCPercent(debug.SetGCPercent(100))
			a, err := New(plan(tc.before...), Options{Version: "test", Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := a.Apply(plan(tc.after...)); err != nil {
				t.Fatal(err)
			}
			for _, endpoint := range tc.after {
				if got := takes(t, a, endpoint); got != tc.want {
					t.Errorf("%s takes %d bytes, want %d", endpoint, got, tc.want)
				}
			}
		})
	}
}
