package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is the peak memory of a container, in bytes.
type Memory struct {
	Container int64 // of its cgroup: all its processes and their file pages
	Process   int64 // the resident set of its first process
}

// Memory reads the peaks from the kernel; the container must be running.
func (c *Container) Memory(ctx context.Context) (Memory, error) {
	s, err := c.State(ctx)
	if err != nil {
		return Memory{}, err
	}
	if !s.Running {
		return Memory{}, fmt.Errorf("read the memory of %s: it is not running", c.Name)
	}
	var m Memory
	if m.Process, err = highWater(s.Pid); err != nil {
		return m, err
	}
	m.Container, err = cgroupPeak(s.Pid)
	return m, err
}

func highWater(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no VmHWM", path)
}

// cgroupPeak finds the memory cgroup of a process, version 1 or 2, and reads its peak.
func cgroupPeak(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0, err
	}
	var v2 string
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy:controllers:path
		if len(f) != 3 {
			continue
		}
		if f[1] == "memory" {
			return readInt(filepath.Join("/sys/fs/cgroup/memory", f[2], "memory.max_usage_in_bytes"))
		}
		if f[1] == "" {
			v2 = f[2]
		}
	}
	return readInt(filepath.Join("/sys/fs/cgroup", v2, "memory.peak"))
}

func readInt(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}
