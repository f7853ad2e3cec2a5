package containers

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
)

// readV2 reads the cgroup of a container from the single file system of cgroup v2. It returns nil if the
// cgroup does not exist.
func (h host) readV2(id string, own map[string]string) *stats {
	dir := find(h.cgroup, id, own[""])
	if dir == "" {
		return nil
	}
	cpu := readKeys(filepath.Join(dir, "cpu.stat"))
	s := &stats{
		cgroup:           strings.TrimPrefix(dir, filepath.Clean(h.cgroup)),
		cpu:              scaled(get(cpu, "usage_usec"), 1e6),
		cpuUser:          scaled(get(cpu, "user_usec"), 1e6),
		cpuSystem:        scaled(get(cpu, "system_usec"), 1e6),
		periods:          get(cpu, "nr_periods"),
		throttledPeriods: get(cpu, "nr_throttled"),
		throttled:        scaled(get(cpu, "throttled_usec"), 1e6),
	}
	s.readMemory(filepath.Join(dir, "memory.current"), filepath.Join(dir, "memory.stat"))
	events := readKeys(filepath.Join(dir, "memory.events"))
	s.failcnt, s.oomKills = get(events, "max"), get(events, "oom_kill")
	s.processes = readProcesses(dir, dir)
	io := readFile(filepath.Join(dir, "io.stat"))
	s.diskBytes, s.diskOps = io != nil, io != nil
	for line := range strings.Lines(string(io)) { // 8:0 rbytes=1 wbytes=2 rios=3 wios=4 …
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		major, minor, ok := parseDevice(fields[0])
		if !ok {
			continue
		}
		for _, f := range fields[1:] {
			key, number, _ := strings.Cut(f, "=")
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				continue
			}
			switch key {
			case "rbytes":
				s.addIO(major, minor, "read", n, true)
			case "wbytes":
				s.addIO(major, minor, "write", n, true)
			case "rios":
				s.addIO(major, minor, "read", n, false)
			case "wios":
				s.addIO(major, minor, "write", n, false)
			}
		}
	}
	return s
}

// ticks is the number of units per second in which the kernel reports CPU times to programs.
const ticks = 100

// readV1 reads the cgroups of a container from the file systems of cgroup v1, one for each controller or
// pair of controllers. It returns nil if the cgroup of the memory or the CPU controller does not exist.
func (h host) readV1(id string, own map[string]string) *stats {
	dir := func(controller string, mounts ...string) string {
		for _, m := range append(mounts, controller) {
			if d := find(filepath.Join(h.cgroup, m), id, own[controller]); d != "" {
				return d
			}
		}
		return ""
	}
	accounting, memory := dir("cpuacct", "cpu,cpuacct", "cpuacct,cpu"), dir("memory")
	if accounting == "" || memory == "" {
		return nil
	}
	s := &stats{cgroup: strings.TrimPrefix(memory, filepath.Join(h.cgroup, "memory"))}
	times := readKeys(filepath.Join(accounting, "cpuacct.stat"))
	s.cpuUser, s.cpuSystem = scaled(get(times, "user"), ticks), scaled(get(times, "system"), ticks)
	if n, ok := readCount(filepath.Join(accounting, "cpuacct.usage")); ok {
		s.cpu = nanos(n)
	}
	if d := dir("cpu", "cpu,cpuacct", "cpuacct,cpu"); d != "" {
		cpu := readKeys(filepath.Join(d, "cpu.stat"))
		s.periods, s.throttledPeriods = get(cpu, "nr_periods"), get(cpu, "nr_throttled")
		s.throttled = scaled(get(cpu, "throttled_time"), 1e9)
	}
	s.readMemory(filepath.Join(memory, "memory.usage_in_bytes"), filepath.Join(memory, "memory.stat"))
	if n, ok := readCount(filepath.Join(memory, "memory.failcnt")); ok {
		s.failcnt = count(n)
	}
	s.oomKills = get(readKeys(filepath.Join(memory, "memory.oom_control")), "oom_kill")
	s.processes = readProcesses(memory, dir("pids"))
	if d := dir("blkio"); d != "" {
		s.diskBytes = s.readBlkio(d, "blkio.throttle.io_service_bytes", true)
		s.diskOps = s.readBlkio(d, "blkio.throttle.io_serviced", false)
	}
	return s
}

func (s *stats) readMemory(usage, details string) {
	n, ok := readCount(usage)
	if !ok {
		return
	}
	s.memory = count(n)
	keys := readKeys(details)
	s.setMemory(func(key string) value { return get(keys, key) })
}

// readBlkio reads a file of the controller blkio, preferably the one that includes nested cgroups. It
// reports whether there is one.
func (s *stats) readBlkio(dir, name string, bytes bool) bool {
	b := readFile(filepath.Join(dir, name+"_recursive"))
	if b == nil {
		b = readFile(filepath.Join(dir, name))
	}
	for line := range strings.Lines(string(b)) { // 8:0 Read 4096
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		major, minor, ok := parseDevice(fields[0])
		n, err := strconv.ParseUint(fields[2], 10, 64)
		if ok && err == nil {
			s.addIO(major, minor, fields[1], n, bytes)
		}
	}
	return b != nil
}

// readProcesses counts the processes of a cgroup. It does not see those of nested cgroups, as in a
// container that runs containers; if the cgroup has no processes of its own, it counts the threads of all
// instead.
func readProcesses(dir, pids string) value {
	if n := bytes.Count(readFile(filepath.Join(dir, "cgroup.procs")), []byte("\n")); n > 0 {
		return count(uint64(n))
	}
	n, ok := readCount(filepath.Join(pids, "pids.current"))
	return value{float64(n), ok}
}

func parseDevice(s string) (major, minor uint64, ok bool) {
	a, b, ok := strings.Cut(s, ":")
	if !ok {
		return 0, 0, false
	}
	major, err := strconv.ParseUint(a, 10, 32)
	minor, err2 := strconv.ParseUint(b, 10, 32)
	return major, minor, err == nil && err2 == nil
}

// notOwn are prefixes of the names of interfaces that are not counted: the loopback, tunnels that the
// kernel makes in every network namespace, and interfaces that an Engine inside a container makes for its
// own containers, whose traffic also passes another interface.
var notOwn = [...]string{"veth", "docker", "br-", "tunl", "sit", "ip6tnl", "ip_vti", "ip6_vti", "gre", "erspan", "dummy", "ifb"}

// readNetworks reads the counters of interfaces. It returns nil only if the file cannot be read.
func readNetworks(path string) []network {
	b := readFile(path)
	if b == nil {
		return nil
	}
	networks := []network{}
lines:
	for line := range strings.Lines(string(b)) { // eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0
		name, rest, ok := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 12 {
			continue
		}
		if name = strings.TrimSpace(name); name == "lo" {
			continue
		}
		for _, p := range notOwn {
			if strings.HasPrefix(name, p) {
				continue lines
			}
		}
		var n [12]uint64
		for i := range n {
			var err error
			if n[i], err = strconv.ParseUint(fields[i], 10, 64); err != nil {
				continue lines
			}
		}
		networks = append(networks, network{name, traffic{n[0], n[1], n[2], n[3]}, traffic{n[8], n[9], n[10], n[11]}})
	}
	return networks
}
