package containers

import (
	"cmp"
	"context"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// value is a number that may be unknown.
type value struct {
	v     float64
	known bool
}

func count(n uint64) value { return value{float64(n), true} }
func nanos(n uint64) value { return value{float64(n) / 1e9, true} }
func (a value) or(b value) value {
	if a.known {
		return a
	}
	return b
}

// stats is a sample of the resources that a container uses.
type stats struct {
	cgroup string // its path below the root of cgroups; empty if the sample is the Engine's

	cpu              value // seconds
	cpuUser          value // part of cpu, outside of the kernel
	cpuSystem        value // part of cpu, in the kernel
	periods          value // of the CPU quota
	throttledPeriods value
	throttled        value // seconds

	memory     value // bytes, like the following
	workingSet value // memory without files that can be dropped
	rss        value
	cache      value
	failcnt    value // how often the limit was reached
	oomKills   value // in the present run

	processes value
	networks  []network
	disks     []disk // devices that the container has used
	diskBytes bool   // the byte counters of disks are known, even if there are none
	diskOps   bool   // the operation counters of disks are known
}

// network holds the counters of an interface.
type network struct {
	name     string
	receive  traffic
	transmit traffic
}

type traffic struct{ bytes, packets, errors, dropped uint64 }

func (t traffic) add(o traffic) traffic {
	return traffic{t.bytes + o.bytes, t.packets + o.packets, t.errors + o.errors, t.dropped + o.dropped}
}

// disk holds the counters of a block device.
type disk struct {
	major, minor          uint64
	readBytes, writeBytes value
	reads, writes         value
}

// sample measures a container from its files if they are mounted, and requests from the Engine what they
// lack. If the Engine fails, the sample has what the files contain, and is nil if there are none.
func (c *Collector) sample(ctx context.Context, w Container) (*stats, error) {
	s := c.host.read(w.Container)
	ownNetwork := w.NetworkMode != "none" && w.NetworkMode != "host" && !strings.HasPrefix(w.NetworkMode, "container:")
	if s != nil && (!ownNetwork || s.networks != nil) {
		return s, nil
	}
	response, err := c.Engine.Stats(ctx, w.ID)
	if err != nil {
		return s, err
	}
	told := fromEngine(response)
	if !ownNetwork {
		told.networks = nil // the container shares the network of the host, or of another container
	}
	if s == nil {
		return told, nil
	}
	s.networks = told.networks
	return s, nil
}

// fromEngine converts an Engine's response. The response for a container that does not run has no time;
// then no value is known.
func fromEngine(r container.StatsResponse) *stats {
	s := &stats{}
	if r.Read.IsZero() {
		return s
	}
	cpu, memory := r.CPUStats, r.MemoryStats
	if cpu.CPUUsage.TotalUsage > 0 {
		s.cpu = nanos(cpu.CPUUsage.TotalUsage)
		s.cpuUser, s.cpuSystem = nanos(cpu.CPUUsage.UsageInUsermode), nanos(cpu.CPUUsage.UsageInKernelmode)
	}
	s.periods, s.throttledPeriods = count(cpu.ThrottlingData.Periods), count(cpu.ThrottlingData.ThrottledPeriods)
	s.throttled = nanos(cpu.ThrottlingData.ThrottledTime)
	if memory.Usage > 0 {
		s.memory, s.failcnt = count(memory.Usage), count(memory.Failcnt)
		s.setMemory(func(key string) value {
			n, ok := memory.Stats[key]
			return value{float64(n), ok}
		})
	}
	if r.PidsStats.Current > 0 {
		s.processes = count(r.PidsStats.Current)
	}
	for name, n := range r.Networks {
		s.networks = append(s.networks, network{
			name:     name,
			receive:  traffic{n.RxBytes, n.RxPackets, n.RxErrors, n.RxDropped},
			transmit: traffic{n.TxBytes, n.TxPackets, n.TxErrors, n.TxDropped},
		})
	}
	s.diskBytes, s.diskOps = r.BlkioStats.IoServiceBytesRecursive != nil, r.BlkioStats.IoServicedRecursive != nil
	for _, e := range r.BlkioStats.IoServiceBytesRecursive {
		s.addIO(e.Major, e.Minor, e.Op, e.Value, true)
	}
	for _, e := range r.BlkioStats.IoServicedRecursive {
		s.addIO(e.Major, e.Minor, e.Op, e.Value, false)
	}
	return s
}

// setMemory sets the values that get finds in a cgroup's memory.stat. The keys differ between cgroup v2 and
// cgroup v1, where those with total_ include nested cgroups. The usage must be set before.
func (s *stats) setMemory(get func(key string) value) {
	s.rss = get("total_rss").or(get("rss")).or(get("anon"))
	s.cache = get("total_cache").or(get("cache")).or(get("file"))
	if inactive := get("total_inactive_file").or(get("inactive_file")); inactive.known && s.memory.known {
		s.workingSet = value{max(s.memory.v-inactive.v, 0), true}
	}
}

// addIO adds a counter of a block device, of bytes or of operations. It ignores operations other than reads
// and writes, because they are sums or parts of the two.
func (s *stats) addIO(major, minor uint64, op string, n uint64, bytes bool) {
	read := strings.EqualFold(op, "read")
	if !read && !strings.EqualFold(op, "write") {
		return
	}
	d := s.disk(major, minor)
	switch {
	case read && bytes:
		d.readBytes = count(n)
	case read:
		d.reads = count(n)
	case bytes:
		d.writeBytes = count(n)
	default:
		d.writes = count(n)
	}
}

// disk returns the counters of a block device, and adds them if necessary.
func (s *stats) disk(major, minor uint64) *disk {
	for i := range s.disks {
		if d := &s.disks[i]; d.major == major && d.minor == minor {
			return d
		}
	}
	s.disks = append(s.disks, disk{major: major, minor: minor})
	return &s.disks[len(s.disks)-1]
}

// allOf is the label of counters that are summed over several interfaces or devices. A series for each
// would exceed the limit of a container.
const allOf = "all"

// network returns the sum over all interfaces.
func (s *stats) network() (sum network, ok bool) {
	for i, n := range s.networks {
		sum.name = cmp.Or(sum.name, n.name)
		if i > 0 {
			sum.name = allOf
		}
		sum.receive, sum.transmit = sum.receive.add(n.receive), sum.transmit.add(n.transmit)
	}
	return sum, len(s.networks) > 0
}

// io returns the sum over all block devices, and the name of the device. A device that only passes requests
// on to others, such as one of LVM, is left out if there are others, because the kernel counts a read on
// both. A container that has not used any device has zeros for the only disk of the host.
func (s *stats) io(names *diskNames) (sum disk, name string) {
	if len(s.disks) == 0 && names.only != "" {
		sum.readBytes, sum.reads = value{0, s.diskBytes}, value{0, s.diskOps}
		sum.writeBytes, sum.writes = sum.readBytes, sum.reads
		return sum, "/dev/" + names.only
	}
	stackedOnly := true
	for _, d := range s.disks {
		stackedOnly = stackedOnly && stacked(d.major, names.of(d))
	}
	for _, d := range s.disks {
		found := names.of(d)
		if !stackedOnly && stacked(d.major, found) {
			continue
		}
		switch {
		case name != "", d.major == 0 && d.minor == 0: // Podman's sum of all devices
			name = allOf
		case found != "":
			name = "/dev/" + found
		default:
			name = deviceNumbers(d.major, d.minor)
		}
		sum.readBytes, sum.writeBytes = plus(sum.readBytes, d.readBytes), plus(sum.writeBytes, d.writeBytes)
		sum.reads, sum.writes = plus(sum.reads, d.reads), plus(sum.writes, d.writes)
	}
	return sum, name
}

func plus(a, b value) value { return value{a.v + b.v, a.known || b.known} }
