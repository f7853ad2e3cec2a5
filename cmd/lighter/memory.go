package main

import (
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryShare is the part of the container's memory that the Go runtime may use before it
// collects garbage as hard as it can. The rest is for what it does not count: the binary's
// pages and the kernel's buffers of this cgroup.
const memoryShare = 0.8

// limitMemory sets GOMEMLIMIT from the cgroup, unless the environment sets it or there is
// no limit.
func limitMemory(logger *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare), memlimit.WithProvider(memlimit.FromCgroup))
	if err != nil {
		logger.Debug("no memory limit is set", "because", err)
		return
	}
	logger.Debug("memory limit", "bytes", limit)
}
