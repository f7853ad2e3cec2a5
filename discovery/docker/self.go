package docker

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Self is what this process knows about the container that it runs in without asking an Engine. Outside a
// container it is the zero value.
type Self struct {
	// ids are the container ids in the name of the process's cgroup.
	ids []string
	// upper is the directory on the host with what the container has written to its root file system. No
	// two containers share one.
	upper string
	// network holds the ID, or the beginning of the ID, of the container that owns the network of this
	// process. That is the process's own container, unless it runs with network_mode: service:app: then the
	// Engine gives it app's host name, and mounts app's /etc/hostname, /etc/hosts and /etc/resolv.conf.
	network []string
}

// Candidate is a container that may be the agent's own.
type Candidate struct {
	ID          string
	Name        string
	NetworkMode string // from the Engine; empty if unknown
	UpperDir    string // of its root file system; empty if unknown
}

// OwnContainer returns what this process knows about its own container.
func OwnContainer() Self {
	hostname, _ := os.Hostname()
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	groups, _ := os.ReadFile("/proc/self/cgroup")
	return FindSelf(hostname, string(mounts), string(groups))
}

var (
	// A container's host name is the beginning of its id, unless it was given another name.
	shortID = regexp.MustCompile(`^[0-9a-f]{12}$`)
	// The Engine mounts three of its own files into each container. They are in the folder of the
	// container that owns the network.
	mountedID = regexp.MustCompile(`(?m)/containers/([0-9a-f]{64})/\S+ /etc/(?:hostname|hosts|resolv\.conf) `)
	// With cgroup v1, and with cgroup v2 in the host's namespace, the cgroup is named after the
	// container. The name of a container within a container has both ids, the inner one last.
	groupID = regexp.MustCompile(`(?m)^.*[/-]([0-9a-f]{64})(?:\.scope)?(?:/.*)?$`)
	// The line of a container's root file system on overlayfs.
	overlay = regexp.MustCompile(`(?m)^\S+ \S+ \S+ / / .* - overlay \S+ (?:\S*,)?upperdir=([^,\s]+)`)
)

// FindSelf is like OwnContainer, but for a process with the given host name. mounts and groups are
// the contents of its /proc/self/mountinfo and /proc/self/cgroup.
func FindSelf(hostname, mounts, groups string) Self {
	var s Self
	s.ids = submatches(groupID, groups)
	s.network = submatches(mountedID, mounts)
	if len(s.network) == 0 && shortID.MatchString(hostname) {
		s.network = []string{hostname}
	}
	if m := overlay.FindStringSubmatch(mounts); m != nil {
		s.upper = m[1]
	}
	return s
}

// submatches returns the distinct texts that the group of a pattern matches.
func submatches(pattern *regexp.Regexp, text string) (all []string) {
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// OwnsNetwork reports whether the container with the given ID owns the network of this process. It is the
// process's own container, or another one whose network it shares.
func (s Self) OwnsNetwork(id string) bool {
	return slices.ContainsFunc(s.network, func(own string) bool { return strings.HasPrefix(id, own) })
}

// writesTo reports whether dir, on the host, is the upper directory of this process's root. The path in
// mountinfo is relative if the Engine mounted so many layers that it had to shorten their paths.
func (s Self) writesTo(dir string) bool {
	return s.upper != "" && (dir == s.upper || strings.HasSuffix(dir, "/"+s.upper))
}

// Find returns the ID of the agent's own container among all containers of an Engine, or "" if it is
// uncertain. doubt contains the reason if the cause is that containers share a network.
func (s Self) Find(all []Candidate) (id, doubt string) {
	for _, c := range all {
		if slices.Contains(s.ids, c.ID) || s.writesTo(c.UpperDir) {
			return c.ID, ""
		}
	}
	if len(s.ids) > 0 {
		return "", "" // the agent's container belongs to another Engine
	}
	i := slices.IndexFunc(all, func(c Candidate) bool { return s.OwnsNetwork(c.ID) })
	if i < 0 {
		return "", ""
	}
	owner := all[i]
	for _, c := range all {
		if c.ID == owner.ID {
			continue
		}
		if c.NetworkMode == "container:"+owner.ID {
			return "", fmt.Sprintf("container %s shares the network of container %s", c.Name, owner.Name)
		}
		if c.NetworkMode == "" {
			return "", fmt.Sprintf("it is not known whether container %s shares the network of container %s", c.Name, owner.Name)
		}
	}
	return owner.ID, ""
}

// SelfDoubt is the message that a SelfFinder logs about a doubt.
const SelfDoubt = "it is not certain which container is the agent's own, so none is left out: the agent ships its own log too. To leave that out, give the agent's container the label lighter.logs=false"

// SelfFinder repeatedly finds the agent's own container, and logs a doubt when it changes.
type SelfFinder struct {
	Self   Self
	Logger *slog.Logger

	lastDoubt string
}

// Find returns the ID of the agent's own container among all containers of an Engine, in any order, or ""
// if it is uncertain. It is not safe for concurrent use.
func (f *SelfFinder) Find(all []Candidate) string {
	slices.SortFunc(all, func(a, b Candidate) int { return strings.Compare(a.ID, b.ID) }) // so that a doubt is always about the same containers
	id, doubt := f.Self.Find(all)
	if doubt != "" && doubt != f.lastDoubt {
		f.Logger.Warn(SelfDoubt, "because", doubt)
	}
	f.lastDoubt = doubt
	return id
}
