package docker

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/go-units"

	"lighter"
)

// description is the Engine's description of a container.
type description struct {
	container   *lighter.Container // without Self, which is not known yet
	networkMode string             // "bridge", "host", "container:" and an ID, …
	upperDir    string             // of the root file system on overlayfs
}

// describe returns the part of the Engine's response that lighter needs. version is the API version
// of the response, and podman reports whether the Engine is Podman.
func (c *Client) describe(a container.InspectResponse, version string, podman bool) (description, error) {
	if a.ContainerJSONBase == nil || a.ID == "" {
		return description{}, fmt.Errorf("inspect the container: the Engine at %s responded without an id", c.cfg.Host)
	}
	d := &lighter.Container{
		ID:      a.ID,
		Name:    strings.TrimPrefix(a.Name, "/"),
		LogPath: a.LogPath,
		Created: parseTime(a.Created),
	}
	if a.Config != nil {
		d.TTY = a.Config.Tty
		d.Image = a.Config.Image
	}
	if a.HostConfig != nil {
		d.LogDriver = a.HostConfig.LogConfig.Type
		d.LogFiles = logFiles(a.HostConfig.LogConfig)
		d.OldEngine = versions.LessThan(version, versionOf23) && !podman
		d.Podman = podman
		d.NetworkMode = string(a.HostConfig.NetworkMode)
		d.Limits = limits(a.HostConfig.Resources)
	}
	if a.State != nil {
		d.Running = (a.State.Running || a.State.Paused) && !a.State.Restarting // Podman's paused containers do not run, and the log of a container that waits for its restart has ended
		d.Started = parseTime(a.State.StartedAt)
		d.Finished = parseTime(a.State.FinishedAt)
		d.State, d.ExitCode, d.OOMKilled = a.State.Status, a.State.ExitCode, a.State.OOMKilled
		d.Restarts = a.RestartCount
		if d.Running {
			d.PID = a.State.Pid
		}
		if h := a.State.Health; h != nil && h.Status != container.NoHealthcheck {
			d.Health = h.Status
		}
	}
	return description{container: d, networkMode: d.NetworkMode, upperDir: a.GraphDriver.Data["UpperDir"]}, nil
}

// defaultPeriod is the Engine's period of a CPU quota, in microseconds.
const defaultPeriod = 100_000

// limits returns a container's limits. The Engine converts --cpus to a quota.
func limits(r container.Resources) lighter.Limits {
	l := lighter.Limits{MemoryBytes: max(r.Memory, 0), MemoryReservationBytes: max(r.MemoryReservation, 0)}
	switch {
	case r.NanoCPUs > 0:
		l.CPUQuota, l.CPUPeriod = r.NanoCPUs/(1e9/defaultPeriod), defaultPeriod
	case r.CPUQuota > 0:
		l.CPUQuota, l.CPUPeriod = r.CPUQuota, cmp.Or(max(r.CPUPeriod, 0), defaultPeriod)
	}
	return l
}

// versionOf23 is the API version of Engine 23. Earlier Engines leave out compressed files when a log is
// requested from a time on (moby, daemon/logger/loggerutils: openRotatedFiles).
const versionOf23 = "1.42"

// logFiles parses the options of a log driver, which the Engine has validated. The defaults are those of
// the drivers (moby, daemon/logger/jsonfilelog and daemon/logger/local).
func logFiles(c container.LogConfig) lighter.LogFiles {
	var f lighter.LogFiles
	switch c.Type {
	case "json-file":
		f.Max = 1
	case "local":
		f = lighter.LogFiles{MaxBytes: 20 << 20, Max: 5, Compressed: true}
	default:
		return f
	}
	if size, err := units.FromHumanSize(c.Config["max-size"]); err == nil {
		f.MaxBytes = size
	}
	if n, err := strconv.Atoi(c.Config["max-file"]); err == nil {
		f.Max = n
	}
	if compressed, err := strconv.ParseBool(c.Config["compress"]); err == nil {
		f.Compressed = compressed
	}
	if f.MaxBytes <= 0 || f.Max <= 0 {
		return lighter.LogFiles{}
	}
	return f
}

// parseTime parses a time in the Engine's format. The Engine writes the year 1, which is the zero time, for
// what has never happened.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// summarise describes a container that cannot be inspected, with the information in the Engine's list.
func summarise(s container.Summary) *lighter.Container {
	d := &lighter.Container{
		ID:      s.ID,
		Name:    strings.TrimPrefix(nameOf(s), "/"),
		Running: isRunning(s),
		Image:   s.Image,
		State:   s.State,
		Created: time.Unix(s.Created, 0).UTC(),
	}
	if s.State != container.StateCreated {
		d.Started = d.Created // the earliest possible time, because the list does not contain the time of the start
	}
	return d
}
