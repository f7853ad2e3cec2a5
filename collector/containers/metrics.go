package containers

import (
	"time"

	dto "github.com/prometheus/client_model/go"
)

const (
	// MaxSeries is the maximum number of series of a container.
	MaxSeries = 30
	// baseSeries is the number of series of a running container without a quota, a health check or a log of
	// known size.
	baseSeries = 27
	// quotaSeries is how many more series a container with a CPU quota has.
	quotaSeries = 5
)

// A container that would have more than MaxSeries lacks the metrics with the lowest rank, then those with
// the next, until it has few enough. Which these are depends only on how the container was created and
// where its log is, so that no series comes and goes.
const (
	keep         = iota
	firstToGo    // 1 series
	secondToGo   // 2
	thirdToGo    // 1
	gauge        = dto.MetricType_GAUGE
	counter      = dto.MetricType_COUNTER
	untyped      = dto.MetricType_UNTYPED // a counter whose name OpenMetrics must not extend with _total
	whileRunning = true
	always       = false
)

// toGo returns the highest rank for which a container has no room, or keep if it has room for all.
func toGo(v *view) int {
	n := baseSeries
	if v.Limits.CPUQuota > 0 {
		n += quotaSeries
	}
	if v.Health != "" {
		n++
	}
	if v.hasLog {
		n++
	}
	switch over := n - MaxSeries; {
	case over <= 0:
		return keep
	case over <= 1:
		return firstToGo
	case over <= 3:
		return secondToGo
	}
	return thirdToGo
}

// view is what the page shows of a container.
type view struct {
	Container
	now      time.Time
	stats    *stats // without known values if there is no sample
	net      network
	hasNet   bool
	io       disk
	device   string // of io
	hasLog   bool   // the size of its log can be determined
	logBytes value
	size     value
	ooms     uint64
	driver   string // the Engine's storage driver
}

// metric is a family of the page, with at most one series per container.
type metric struct {
	name, help string
	kind       dto.MetricType
	running    bool   // only running containers have it
	rank       int    // see firstToGo
	label      string // a label in addition to the container's own; empty means none
	of         func(v *view) (value value, label string)
}

// metrics are the families of containers by name. The names that begin with container_ are cAdvisor's, and
// have cAdvisor's meaning unless the help says otherwise.
var metrics = [...]metric{
	{"container_cpu_cfs_periods_total", "Periods of the CPU quota that have passed while the container had work to do.", counter, whileRunning, keep, "",
		func(v *view) (value, string) { return v.ifQuota(v.stats.periods), "" }},
	{"container_cpu_cfs_throttled_periods_total", "Periods in which the container used up its CPU quota and had to wait.", counter, whileRunning, keep, "",
		func(v *view) (value, string) { return v.ifQuota(v.stats.throttledPeriods), "" }},
	{"container_cpu_cfs_throttled_seconds_total", "Time that the container had to wait because its CPU quota was used up.", counter, whileRunning, keep, "",
		func(v *view) (value, string) { return v.ifQuota(v.stats.throttled), "" }},
	{"container_cpu_usage_seconds_total", "CPU time used, over all CPUs.", counter, whileRunning, keep, "cpu",
		func(v *view) (value, string) { return v.stats.cpu, "total" }},
	{"container_fs_reads_bytes_total", "Bytes read from block devices.", counter, whileRunning, keep, "device",
		func(v *view) (value, string) { return v.io.readBytes, v.device }},
	{"container_fs_reads_total", "Reads from block devices.", counter, whileRunning, keep, "device",
		func(v *view) (value, string) { return v.io.reads, v.device }},
	{"container_fs_usage_bytes", "Size of what the container has written into its root file system; device is the Engine's storage driver.", gauge, whileRunning, keep, "device",
		func(v *view) (value, string) { return v.size, v.driver }},
	{"container_fs_writes_bytes_total", "Bytes written to block devices.", counter, whileRunning, keep, "device",
		func(v *view) (value, string) { return v.io.writeBytes, v.device }},
	{"container_fs_writes_total", "Writes to block devices.", counter, whileRunning, keep, "device",
		func(v *view) (value, string) { return v.io.writes, v.device }},
	{"container_last_seen", "Time at which the agent last knew that the container ran, in Unix seconds.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return value{float64(v.now.Unix()), true}, "" }},
	{"container_memory_cache", "Memory that holds contents of files.", gauge, whileRunning, thirdToGo, "",
		func(v *view) (value, string) { return v.stats.cache, "" }},
	{"container_memory_failcnt", "How often the memory limit was reached.", untyped, whileRunning, firstToGo, "",
		func(v *view) (value, string) { return v.stats.failcnt, "" }},
	{"container_memory_rss", "Memory that belongs to processes and to no file.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return v.stats.rss, "" }},
	{"container_memory_usage_bytes", "Memory in use, with all contents of files that are kept in memory.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return v.stats.memory, "" }},
	{"container_memory_working_set_bytes", "Memory in use, without contents of files that were not used lately.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return v.stats.workingSet, "" }},
	{"container_network_receive_bytes_total", "Bytes received.", counter, whileRunning, keep, "interface",
		func(v *view) (value, string) { return v.traffic(v.net.receive.bytes) }},
	{"container_network_receive_errors_total", "Errors while receiving.", counter, whileRunning, keep, "interface",
		func(v *view) (value, string) { return v.traffic(v.net.receive.errors) }},
	{"container_network_receive_packets_dropped_total", "Packets dropped while receiving.", counter, whileRunning, keep, "interface",
		func(v *view) (value, string) { return v.traffic(v.net.receive.dropped) }},
	{"container_network_receive_packets_total", "Packets received.", counter, whileRunning, secondToGo, "interface",
		func(v *view) (value, string) { return v.traffic(v.net.receive.packets) }},
	{"container_network_transmit_bytes_total", "Bytes sent.", counter, whileRunning, keep, "interface",
		func(v *view) (value, string) { return v.traffic(v.net.transmit.bytes) }},
	{"container_network_transmit_errors_total", "Errors while sending.", counter, whileRunning, keep, "interface",
		func(v *view) (value, string) { return v.traffic(v.net.transmit.errors) }},
	{"container_network_transmit_packets_dropped_total", "Packets dropped while sending.", counter, whileRunning, keep, "interface",
		func(v *view) (value, string) { return v.traffic(v.net.transmit.dropped) }},
	{"container_network_transmit_packets_total", "Packets sent.", counter, whileRunning, secondToGo, "interface",
		func(v *view) (value, string) { return v.traffic(v.net.transmit.packets) }},
	{"container_oom_events_total", "Processes of the container that the kernel has killed because memory was short, since the agent has known the container.", counter, always, keep, "",
		func(v *view) (value, string) { return count(v.ooms), "" }},
	{"container_processes", "Processes of the container, or its threads where only the Engine can be asked.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return v.stats.processes, "" }},
	{"container_spec_cpu_period", "Length of a period of the CPU quota in microseconds.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return v.ifQuota(value{float64(v.Limits.CPUPeriod), true}), "" }},
	{"container_spec_cpu_quota", "CPU time that the container may use in each period, in microseconds.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return v.ifQuota(value{float64(v.Limits.CPUQuota), true}), "" }},
	{"container_spec_memory_limit_bytes", "Memory that the container may use at most; 0 if there is no limit.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return value{float64(v.Limits.MemoryBytes), true}, "" }},
	{"container_spec_memory_reservation_limit_bytes", "Memory that the container is to keep when memory is short; 0 if none is set.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) {
			return value{float64(v.Limits.MemoryReservationBytes), true}, ""
		}},
	{"container_start_time_seconds", "Time of the last start, in Unix seconds.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return value{float64(v.Started.Unix()), !v.Started.IsZero()}, "" }},
	{"lighter_container_exit_code", "Exit code of a container that has ended.", gauge, always, keep, "",
		func(v *view) (value, string) {
			return value{float64(v.ExitCode), !v.Running && !v.Started.IsZero()}, ""
		}},
	{"lighter_container_health", "Whether the health check of a container says that it is healthy. A container without a health check has no such series.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) {
			if v.Health == "healthy" {
				return value{1, true}, ""
			}
			return value{0, v.Health != ""}, ""
		}},
	{"lighter_container_log_disk_bytes", "Size of a container's log, over all its files.", gauge, whileRunning, keep, "",
		func(v *view) (value, string) { return v.logBytes, "" }},
	{"lighter_container_restarts_total", "How often the Engine has restarted a container by itself since it was started last by somebody.", counter, always, keep, "",
		func(v *view) (value, string) { return count(uint64(max(v.Restarts, 0))), "" }},
	{"lighter_container_state", "The value is 1 for the state that a container is in.", gauge, always, keep, "state",
		func(v *view) (value, string) { return value{1, v.State != ""}, v.State }},
}

func (v *view) ifQuota(a value) value { return value{a.v, a.known && v.Limits.CPUQuota > 0} }

func (v *view) traffic(n uint64) (value, string) { return value{float64(n), v.hasNet}, v.net.name }
