package containers

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lighter"
)

// maxFileBytes limits how much of a file is read. Only a list of processes may be longer.
const maxFileBytes = 1 << 20

// host reads files of the Engine's host, if they are mounted.
type host struct {
	cgroup string // the root of the cgroup file systems; empty if they are not read
	proc   string // empty if it is not read
	data   string // the Engine's data directory; empty if it is not mounted
	v2     bool   // there is a single cgroup file system with all controllers

	disks *disks
}

func newHost(cgroup, proc, data string) host {
	h := host{cgroup: cgroup, proc: proc, data: data, disks: newDisks(proc)}
	if cgroup != "" {
		_, err := os.Stat(filepath.Join(cgroup, "cgroup.controllers"))
		h.v2 = err == nil
	}
	return h
}

// read measures a container from its files. It returns nil if they do not exist, and no networks if the
// counters of its interfaces do not exist.
func (h host) read(c *lighter.Container) *stats {
	if h.cgroup == "" || !isID(c.ID) {
		return nil
	}
	own := h.ownCgroups(c)
	var s *stats
	if h.v2 {
		s = h.readV2(c.ID, own)
	} else {
		s = h.readV1(c.ID, own)
	}
	if s != nil && own != nil {
		s.networks = readNetworks(filepath.Join(h.proc, strconv.Itoa(c.PID), "net", "dev"))
	}
	return s
}

// isID reports whether an ID is valid as a file name.
func isID(id string) bool {
	return id != "" && strings.Trim(id, "0123456789abcdefABCDEF") == ""
}

// ownCgroups returns the cgroups of the container's first process, by controller; the controller of cgroup
// v2 is "". It returns nil if the process does not exist, or does not belong to the container, because proc
// is not that of the Engine's host.
func (h host) ownCgroups(c *lighter.Container) map[string]string {
	if h.proc == "" || c.PID <= 0 {
		return nil
	}
	b := readFile(filepath.Join(h.proc, strconv.Itoa(c.PID), "cgroup"))
	if !bytes.Contains(b, []byte(c.ID)) {
		return nil
	}
	own := map[string]string{}
	for line := range strings.Lines(string(b)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3) // 4:cpu,cpuacct:/docker/8bee
		if len(fields) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			own[controller] = fields[2]
		}
	}
	return own
}

// find returns the directory of a container below a root of cgroups. own is the path that the kernel
// reports, which is useful only if it is relative to the root.
func find(root, id, own string) string {
	candidates := []string{
		filepath.Join("system.slice", "docker-"+id+".scope"), // the cgroup driver "systemd"
		filepath.Join("docker", id),                          // the cgroup driver "cgroupfs"
		filepath.Join("machine.slice", "libpod-"+id+".scope", "container"),
		filepath.Join("machine.slice", "libpod-"+id+".scope"),
		filepath.Join("libpod_parent", "libpod-"+id),
	}
	if strings.Contains(own, id) && !strings.Contains(own, "..") {
		candidates = append([]string{own}, candidates...)
	}
	for _, c := range candidates {
		dir := filepath.Join(root, c)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// readFile returns the content of a file, or nil if it cannot be read.
func readFile(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return nil
	}
	return b
}

// readCount reads a file that contains one number.
func readCount(path string) (uint64, bool) {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(readFile(path))), 10, 64)
	return n, err == nil
}

// readKeys reads a file with a key and a number on each line.
func readKeys(path string) map[string]uint64 {
	keys := map[string]uint64{}
	for line := range bytes.Lines(readFile(path)) {
		key, rest, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if n, err := strconv.ParseUint(string(rest), 10, 64); err == nil {
			keys[string(key)] = n
		}
	}
	return keys
}

func get(keys map[string]uint64, key string) value {
	n, ok := keys[key]
	return value{float64(n), ok}
}

// scaled converts a number to another unit.
func scaled(a value, by float64) value { return value{a.v / by, a.known} }

// logOf returns the common prefix of the paths of a container's log files, or "" if the log is not in files
// or they are not mounted.
func (h host) logOf(id, driver string) string {
	if h.data == "" || !isID(id) {
		return ""
	}
	dir := filepath.Join(h.data, "containers", id)
	switch driver {
	case "json-file":
		return filepath.Join(dir, id+"-json.log")
	case "local":
		return filepath.Join(dir, "local-logs", "container.log")
	}
	return ""
}

// logBytes returns the total size of a container's log files.
func (h host) logBytes(id, driver string) value {
	path := h.logOf(id, driver)
	if path == "" {
		return value{}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return value{}
	}
	sum := value{known: true}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filepath.Base(path)) {
			continue
		}
		if info, err := e.Info(); err == nil { // otherwise it was just rotated
			sum.v += float64(info.Size())
		}
	}
	return sum
}
