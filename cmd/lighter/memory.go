package main

import (
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// memoryShare is the part of the container's memory that the Go runtime may use before it
	// collects garbage as hard as it can. The rest is for what it does not count: the binary's
	// pages and the kernel's buffers of this cgroup.
	memoryShare = 0.8
	// garbagePercent is how much garbage the heap may hold beside what is in use before it is
	// collected. Go's own 100 doubles what a backlog takes; the hot paths make so little garbage
	// that half of it costs no CPU time that could be measured.
	garbagePercent = 50
)

// limitMemory tells the Go runtime how much memory to use, unless the environment does:
// GOGC, and GOMEMLIMIT, which is otherwise taken from the cgroup if that has a limit.
func limitMemory(logger *slog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare), memlimit.WithProvider(memlimit.FromCgroup))
	if err != nil {
		logger.Debug("no memory limit is set", "because", err)
		return
	}
	logger.Debug("memory limit", "bytes", limit)
}
