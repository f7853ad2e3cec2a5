package host

import (
	"cmp"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// wanted reports whether a family is passed on. The list contains what the alerts, rules and dashboards of
// node_exporter's own mixin use, and what Grafana's dashboards for job integrations/node_exporter show
// first, as far as this package's collectors provide it.
func wanted(family string) bool {
	switch family {
	// eight per CPU
	case "node_cpu_seconds_total":

	// one each
	case "node_load1", "node_load5", "node_load15",
		"node_boot_time_seconds", "node_context_switches_total", "node_intr_total", "node_time_seconds",
		"node_uname_info", "node_os_info", "node_exporter_build_info",
		"node_timex_offset_seconds", "node_timex_maxerror_seconds", "node_timex_estimated_error_seconds", "node_timex_sync_status",
		"node_filefd_allocated", "node_filefd_maximum",
		"node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes", "node_memory_MemFree_bytes",
		"node_memory_Buffers_bytes", "node_memory_Cached_bytes", "node_memory_Slab_bytes",
		"node_memory_SwapTotal_bytes", "node_memory_SwapFree_bytes", "node_memory_Dirty_bytes",
		"node_memory_Committed_AS_bytes", "node_memory_CommitLimit_bytes", "node_memory_Shmem_bytes",
		"node_vmstat_oom_kill", "node_vmstat_pgfault", "node_vmstat_pgmajfault",
		"node_vmstat_pgpgin", "node_vmstat_pgpgout", "node_vmstat_pswpin", "node_vmstat_pswpout",
		"node_pressure_cpu_waiting_seconds_total",
		"node_pressure_io_waiting_seconds_total", "node_pressure_io_stalled_seconds_total",
		"node_pressure_memory_waiting_seconds_total", "node_pressure_memory_stalled_seconds_total":

	// five per filesystem, and one if it cannot be read
	case "node_filesystem_size_bytes", "node_filesystem_avail_bytes", "node_filesystem_readonly",
		"node_filesystem_files", "node_filesystem_files_free", deviceError:

	// eight per disk
	case "node_disk_io_time_seconds_total", "node_disk_io_time_weighted_seconds_total",
		"node_disk_read_bytes_total", "node_disk_reads_completed_total", "node_disk_read_time_seconds_total",
		"node_disk_written_bytes_total", "node_disk_writes_completed_total", "node_disk_write_time_seconds_total":

	// four per RAID array
	case "node_md_disks", "node_md_disks_required":

	// eight per interface: all that our own source provides
	default:
		return strings.HasPrefix(family, networkPrefix)
	}
	return true
}

const (
	filesystemPrefix = "node_filesystem_"
	networkPrefix    = "node_network_"
	deviceError      = "node_filesystem_device_error"
)

func isFilesystem(f *dto.MetricFamily) bool { return strings.HasPrefix(f.GetName(), filesystemPrefix) }

// mounts maps each device to the mount point to report for it.
type mounts map[string]string

// mountsOf chooses the shortest path at which each device is mounted, which mostly is the host's own: a
// bind mount or a subvolume elsewhere is as full as the device.
func mountsOf(families []*dto.MetricFamily) mounts {
	chosen := mounts{}
	for _, f := range families {
		if !isFilesystem(f) {
			continue
		}
		for _, m := range f.Metric {
			device, path := get(m, "device"), get(m, "mountpoint")
			before, ok := chosen[device]
			if !ok || cmp.Or(cmp.Compare(len(path), len(before)), strings.Compare(path, before)) < 0 {
				chosen[device] = path
			}
		}
	}
	return chosen
}

// has reports whether a series of a filesystem is passed on. The series that reports an error is passed on
// only while there is an error: otherwise the size shows that the filesystem can be read.
func (m mounts) has(f *dto.MetricFamily, series *dto.Metric) bool {
	if f.GetName() == deviceError && series.GetGauge().GetValue() == 0 {
		return false
	}
	return m[get(series, "device")] == get(series, "mountpoint")
}

// get returns the value of a label, or "".
func get(m *dto.Metric, label string) string {
	for _, l := range m.Label {
		if l.GetName() == label {
			return l.GetValue()
		}
	}
	return ""
}

// set changes the value of an existing label.
func set(m *dto.Metric, label, value string) {
	for _, l := range m.Label {
		if l.GetName() == label {
			l.Value = &value
		}
	}
}
