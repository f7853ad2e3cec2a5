package docker

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/go-units"

	"lighter"
)

// describe takes from the Engine's answer what collecting needs. version is the API's.
func (c *Client) describe(a container.InspectResponse, version string) (*lighter.Container, error) {
	if a.ContainerJSONBase == nil || a.ID == "" {
		return nil, fmt.Errorf("inspect the container: the Engine at %s answered without an id", c.cfg.Host)
	}
	d := &lighter.Container{
		ID:      a.ID,
		Name:    strings.TrimPrefix(a.Name, "/"),
		LogPath: a.LogPath,
		Self:    c.isSelf(a.ID),
		Created: parseTime(a.Created),
	}
	if a.Config != nil {
		d.TTY = a.Config.Tty
	}
	if a.HostConfig != nil {
		d.LogDriver = a.HostConfig.LogConfig.Type
		d.LogFiles = logFiles(a.HostConfig.LogConfig)
		d.LogFiles.LeftOut = d.LogFiles.Compressed && versions.LessThan(version, versionOf23)
	}
	if a.State != nil {
		d.Running = a.State.Running && !a.State.Restarting // while it waits for its restart its log is at an end
		d.Started = parseTime(a.State.StartedAt)
		d.Finished = parseTime(a.State.FinishedAt)
	}
	return d, nil
}

// versionOf23 is the API of Engine 23, the first that finds what it is asked for in compressed files
// (moby, daemon/logger/loggerutils: openRotatedFiles).
const versionOf23 = "1.42"

// logFiles reads the options of a log driver, which the Engine has found valid. What a driver
// does without them is the driver's own (moby, daemon/logger/jsonfilelog and local).
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

// parseTime reads a time of the Engine's. It writes the year 1 for what never happened,
// which is the zero time.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// summarise makes the best of a list's row, for a container that cannot be inspected.
func (c *Client) summarise(s container.Summary) *lighter.Container {
	d := &lighter.Container{
		ID:      s.ID,
		Name:    strings.TrimPrefix(nameOf(s), "/"),
		Running: isRunning(s),
		Self:    c.isSelf(s.ID),
		Created: time.Unix(s.Created, 0).UTC(),
	}
	if s.State != container.StateCreated {
		d.Started = d.Created // at the earliest; a list does not say when
	}
	return d
}

func (c *Client) isSelf(id string) bool {
	return slices.ContainsFunc(c.own, func(own string) bool { return strings.HasPrefix(id, own) })
}

// OwnIDs returns what this process can find out about the id of its own container: ids, or
// the beginnings of some; none outside a container.
func OwnIDs() []string {
	hostname, _ := os.Hostname()
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	groups, _ := os.ReadFile("/proc/self/cgroup")
	return findIDs(hostname, string(mounts), string(groups))
}

var (
	// A container's host name is the beginning of its id unless it was given another.
	shortID = regexp.MustCompile(`^[0-9a-f]{12}$`)
	// The Engine mounts three files of its own into each container, from the container's folder.
	mountedID = regexp.MustCompile(`(?m)/containers/([0-9a-f]{64})/\S+ /etc/(?:hostname|hosts|resolv\.conf) `)
	// With cgroup v1, or the host's namespace of v2, the cgroup is named after the container.
	groupID = regexp.MustCompile(`(?m)[/-]([0-9a-f]{64})(?:\.scope)?$`)
)

func findIDs(hostname, mounts, groups string) []string {
	var ids []string
	if shortID.MatchString(hostname) {
		ids = append(ids, hostname)
	}
	for _, m := range append(mountedID.FindAllStringSubmatch(mounts, -1), groupID.FindAllStringSubmatch(groups, -1)...) {
		ids = append(ids, m[1])
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
