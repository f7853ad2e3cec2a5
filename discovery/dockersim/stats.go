package dockersim

import (
	"hash/fnv"
	"net/http"
	"time"

	"github.com/docker/docker/api/types/container"
)

// imageBytes is the size of the image of every container.
const imageBytes = 64 << 20

// SetStats makes the Engine respond with s to requests for the container's statistics. If s is nil, the
// Engine makes them up.
func (c *Container) SetStats(s *container.StatsResponse) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.stats = s
}

// SetWritable sets how many bytes the container has written into its root file system.
func (c *Container) SetWritable(bytes int64) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.writable = bytes
}

// SetHealth sets the result of the container's health check: "starting", "healthy" or "unhealthy". A
// container has no health check before.
func (c *Container) SetHealth(status string) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.health = &container.Health{Status: status}
	c.engine.emitLocked(c, "health_status: "+status)
}

// OutOfMemory simulates that the kernel kills a process of the container other than its first one: the
// Engine emits an event, and the container continues.
func (c *Container) OutOfMemory() {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.engine.emitLocked(c, "oom")
}

// KillOOM ends the container as the kernel does when it is out of memory.
func (c *Container) KillOOM() {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.oomKilled = true
	c.engine.emitLocked(c, "oom")
	c.stopLocked(137)
}

// serveStats responds with one sample, as to ?stream=0&one-shot=1. A container that does not run has
// only zeros.
func (e *Engine) serveStats(w http.ResponseWriter, r *http.Request, c *Container) {
	if q := r.URL.Query(); q.Get("stream") != "0" && q.Get("stream") != "false" {
		fail(w, http.StatusBadRequest, "the simulated Engine does not stream statistics")
		return
	}
	e.mu.Lock()
	s := container.StatsResponse{ID: c.id, Name: "/" + c.spec.Name}
	switch {
	case c.state != stateRunning && c.state != statePaused:
	case c.stats != nil:
		s = *c.stats
	default:
		c.makeUp(&s, e.Now())
	}
	e.mu.Unlock()
	reply(w, s)
}

// makeUp makes up the resources used by a container since its start: between 1 and 20 % of a CPU, and
// memory, network and disk to match. It uses the form of an Engine on cgroup v1, which reports more.
func (c *Container) makeUp(s *container.StatsResponse, now time.Time) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.spec.Name))
	share := uint64(1 + h.Sum32()%20) // percent
	ran := uint64(max(now.Sub(c.started), 0))
	memory := share * (4 << 20)
	s.Read = now
	s.CPUStats.CPUUsage.TotalUsage = ran / 100 * share
	s.CPUStats.OnlineCPUs = 4
	s.MemoryStats = container.MemoryStats{
		Usage: memory, Limit: 8 << 30,
		Stats: map[string]uint64{"total_rss": memory * 3 / 4, "total_cache": memory / 4, "total_inactive_file": memory / 8},
	}
	if limit := c.spec.Resources.Memory; limit > 0 {
		s.MemoryStats.Limit = uint64(limit)
	}
	s.PidsStats.Current = 1 + share
	seconds := ran / uint64(time.Second)
	if len(c.spec.Networks) > 0 && c.spec.NetworkMode != "host" && c.spec.NetworkMode != "none" {
		s.Networks = map[string]container.NetworkStats{"eth0": {
			RxBytes: seconds * share * 1000, RxPackets: seconds * share, TxBytes: seconds * share * 3000, TxPackets: seconds * share * 2,
		}}
	}
	s.BlkioStats.IoServiceBytesRecursive = []container.BlkioStatEntry{
		{Major: 8, Op: "Read", Value: 4 << 20}, {Major: 8, Op: "Write", Value: seconds * share * 512},
	}
	s.BlkioStats.IoServicedRecursive = []container.BlkioStatEntry{
		{Major: 8, Op: "Read", Value: 100}, {Major: 8, Op: "Write", Value: seconds * share / 8},
	}
}
