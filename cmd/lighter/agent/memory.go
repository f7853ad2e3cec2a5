package agent

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"lighter/collector/scrape"
)

const (
	// memoryShare is the part of the container's memory that the agent may use before the Go runtime
	// collects garbage as hard as it can. The rest is for memory that the runtime does not count: the
	// binary's pages and the kernel's buffers of this cgroup.
	memoryShare = 0.8
	// garbagePercent is how much garbage the heap may hold, relative to the memory in use, before it is
	// collected. Go's default of 100 doubles the memory of a backlog; the hot paths make so little garbage
	// that half of it costs no measurable CPU time.
	garbagePercent = 50
	// unlimitedHeap is the limit of the Go runtime's memory if nothing sets one. Large pages of targets
	// (scrape.PageMemory) are outside the heap, in package offheap. With them and the pages of the binary,
	// the process stays below 128 MiB.
	unlimitedHeap = 48 << 20
	// heapOverhead is about what the Go runtime uses besides the heap: stacks and its own tables.
	heapOverhead = 8 << 20
	// heapCheck is how often the limit of a process whose memory is otherwise unlimited is compared with
	// the memory in use.
	heapCheck = 2 * time.Second
)

// limitMemory sets how much memory the Go runtime uses, unless the environment does (GOGC, GOMEMLIMIT). The
// limit is derived from that of the cgroup, if any. It returns how much of the process's memory the pages
// of targets may take, and a function that ends what it has started.
func limitMemory(logger *slog.Logger, cgroupLimit func() (uint64, error)) (pages int64, release func()) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return pageShare(debug.SetMemoryLimit(-1)), func() {}
	}
	cgroup, err := cgroupLimit()
	if err != nil {
		logger.Debug("the cgroup sets no memory limit", "because", err, "heap", unlimitedHeap)
		debug.SetMemoryLimit(unlimitedHeap)
		return scrape.PageMemory, raiseLimit(liveHeap)
	}
	limit := int64(float64(cgroup) * memoryShare)
	pages = pageShare(limit)
	debug.SetMemoryLimit(limit - pages)
	logger.Debug("the cgroup sets a memory limit", "bytes", cgroup, "heap", limit-pages, "pages", pages)
	return pages, func() {}
}

// memoryLimit returns the limit of the process's memory that the environment or the cgroup sets, or 0.
func memoryLimit(cgroupLimit func() (uint64, error)) int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1)
	}
	cgroup, err := cgroupLimit()
	if err != nil {
		return 0
	}
	return int64(min(cgroup, math.MaxInt64))
}

// pageShare returns the part of a process's memory that the pages of targets may take. Reading a page takes
// more memory than the page, so it is a quarter at most.
func pageShare(limit int64) int64 { return min(limit/4, scrape.PageMemory) }

// raiseLimit raises the limit of a process that uses more memory than fits below it. Otherwise the Go
// runtime would collect garbage all the time, with up to half of the CPU, for a limit that only lighter has
// set; docs/performance.md has the costs. live returns how many bytes the last collection found in use. It
// continues until the returned function is called.
func raiseLimit(live func() int64) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(heapCheck)
		defer tick.Stop()
		for set := int64(unlimitedHeap); ; {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			if want := heapLimit(live()); want != set {
				debug.SetMemoryLimit(want)
				set = want
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
	}
}

// liveHeap returns how many bytes of the heap the last collection found in use.
func liveHeap() int64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return int64(live[0].Value.Uint64())
}

// heapLimit returns the limit for a heap in which the last collection found live bytes in use. A
// third as much may be garbage before the next collection.
func heapLimit(live int64) int64 {
	return max(unlimitedHeap, live+live/3+heapOverhead)
}
