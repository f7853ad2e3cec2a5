package host

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newOf(t testing.TB, root string) *Host {
	t.Helper()
	h, err := New(Options{Root: root, Nodename: "the-host", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func gather(t testing.TB, h *Host) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := h.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// values returns the values of a family, keyed by the series' labels, "a=b,c=d".
func values(f *dto.MetricFamily) map[string]float64 {
	got := map[string]float64{}
	for _, m := range f.GetMetric() {
		var labels []string
		for _, l := range m.Label {
			if l.GetValue() != "" {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
		}
		got[strings.Join(labels, ",")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
	}
	return got
}

func count(families map[string]*dto.MetricFamily) (n int) {
	for _, f := range families {
		n += len(f.Metric)
	}
	return n
}

// TestPlainHost: a plain host has every wanted family, and at most 120 series.
func TestPlainHost(t *testing.T) {
	got := gather(t, newOf(t, plainHost(t)))
	if n := count(got); n > 120 {
		t.Errorf("%d series, want at most 120", n)
	}
	series := map[string]int{}
	for name, f := range got {
		series[name] = len(f.Metric)
	}
	want := map[string]int{"node_cpu_seconds_total": 4 * 8}
	for n, families := range map[int]string{
		1: `node_load1 node_load5 node_load15 node_boot_time_seconds node_context_switches_total node_intr_total node_time_seconds
			node_uname_info node_os_info node_exporter_build_info node_filefd_allocated node_filefd_maximum
			node_timex_offset_seconds node_timex_maxerror_seconds node_timex_estimated_error_seconds node_timex_sync_status
			node_memory_MemTotal_bytes node_memory_MemAvailable_bytes node_memory_MemFree_bytes node_memory_Buffers_bytes
			node_memory_Cached_bytes node_memory_Slab_bytes node_memory_SwapTotal_bytes node_memory_SwapFree_bytes
			node_memory_Dirty_bytes node_memory_Committed_AS_bytes node_memory_CommitLimit_bytes node_memory_Shmem_bytes
			node_vmstat_oom_kill node_vmstat_pgfault node_vmstat_pgmajfault node_vmstat_pgpgin node_vmstat_pgpgout
			node_vmstat_pswpin node_vmstat_pswpout
			node_pressure_cpu_waiting_seconds_total node_pressure_io_waiting_seconds_total node_pressure_io_stalled_seconds_total
			node_pressure_memory_waiting_seconds_total node_pressure_memory_stalled_seconds_total`,
		2: `node_disk_io_time_seconds_total node_disk_io_time_weighted_seconds_total node_disk_read_bytes_total
			node_disk_reads_completed_total node_disk_read_time_seconds_total node_disk_written_bytes_total
			node_disk_writes_completed_total node_disk_write_time_seconds_total
			node_network_receive_bytes_total node_network_receive_packets_total node_network_receive_errs_total node_network_receive_drop_total
			node_network_transmit_bytes_total node_network_transmit_packets_total node_network_transmit_errs_total node_network_transmit_drop_total`,
		3: `node_filesystem_size_bytes node_filesystem_avail_bytes node_filesystem_readonly node_filesystem_files node_filesystem_files_free`,
	} {
		for _, family := range strings.Fields(families) {
			want[family] = n
		}
	}
	if diff := cmp.Diff(want, series); diff != "" {
		t.Errorf("series of each family (-want +got):\n%s", diff)
	}
	t.Logf("%d series", count(got))
}

// TestValues: the values are those in the files.
func TestValues(t *testing.T) {
	got := gather(t, newOf(t, plainHost(t)))
	for family, want := range map[string]map[string]float64{
		"node_load5":                             {"": 0.58},
		"node_boot_time_seconds":                 {"": 1700000000},
		"node_memory_MemTotal_bytes":             {"": 1000 * 1024},
		"node_vmstat_oom_kill":                   {"": 8},
		"node_filefd_maximum":                    {"": 1048576},
		"node_os_info":                           {"id=debian,name=Debian GNU/Linux,pretty_name=Debian GNU/Linux 12,version_id=12": 1},
		"node_disk_written_bytes_total":          {"device=sda": 4000 * 512, "device=nvme0n1": 4000 * 512},
		"node_network_receive_bytes_total":       {"device=eth0": 1, "device=wg0": 11},
		"node_network_transmit_drop_total":       {"device=eth0": 8, "device=wg0": 18},
		"node_network_receive_errs_total":        {"device=eth0": 3, "device=wg0": 13},
		"node_pressure_io_stalled_seconds_total": {"": 2},
		"node_filesystem_readonly": {
			"device=/dev/sda2,fstype=ext4,mountpoint=/":             0,
			"device=/dev/sda1,fstype=vfat,mountpoint=/boot/efi":     0,
			"device=/dev/nvme0n1p1,fstype=xfs,mountpoint=/srv/data": 1,
		},
	} {
		if diff := cmp.Diff(want, values(got[family])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
	if name := get(got["node_uname_info"].Metric[0], "nodename"); name != "the-host" {
		t.Errorf("nodename %q", name)
	}
	if cpu := values(got["node_cpu_seconds_total"])["cpu=3,mode=iowait"]; cpu != 1 {
		t.Errorf("iowait of CPU 3 is %v", cpu)
	}
}

// TestADiskOfDockersOwn: a separate disk for Docker is reported, and so is a filesystem that cannot be
// read.
func TestADiskOfDockersOwn(t *testing.T) {
	root := plainHost(t)
	write(t, root, "proc/1/mountinfo", `24 1 8:2 / / rw - ext4 /dev/sda2 rw
25 24 8:16 / /var/lib/docker rw - ext4 /dev/sdb rw
26 24 0:60 / /mnt/gone rw - nfs4 nas:/export rw
`)
	got := gather(t, newOf(t, root))
	want := map[string]float64{
		"device=/dev/sda2,fstype=ext4,mountpoint=/":                                                  0,
		"device=/dev/sdb,fstype=ext4,mountpoint=/var/lib/docker":                                     0,
		"device=nas:/export,device_error=no such file or directory,fstype=nfs4,mountpoint=/mnt/gone": 0,
	}
	if diff := cmp.Diff(want, values(got["node_filesystem_readonly"])); diff != "" {
		t.Errorf("filesystems (-want +got):\n%s", diff)
	}
	want = map[string]float64{"device=nas:/export,device_error=no such file or directory,fstype=nfs4,mountpoint=/mnt/gone": 1}
	if diff := cmp.Diff(want, values(got["node_filesystem_device_error"])); diff != "" {
		t.Errorf("that cannot be read (-want +got):\n%s", diff)
	}
}

// TestAMountOnAMount: a repeated mount of the same device at the same path is reported once, and hides
// nothing else.
func TestAMountOnAMount(t *testing.T) {
	root := plainHost(t)
	write(t, root, "proc/1/mountinfo", `24 1 8:2 / / rw - ext4 /dev/sda2 rw
25 24 8:2 / / rw - ext4 /dev/sda2 rw
26 24 8:3 / / rw - ext4 /dev/sda2 rw
27 24 8:1 / /boot/efi rw - vfat /dev/sda1 rw
`)
	got := gather(t, newOf(t, root))
	want := map[string]float64{"device=/dev/sda2,fstype=ext4,mountpoint=/": 0, "device=/dev/sda1,fstype=vfat,mountpoint=/boot/efi": 0}
	if diff := cmp.Diff(want, values(got["node_filesystem_readonly"])); diff != "" {
		t.Errorf("filesystems (-want +got):\n%s", diff)
	}
	if len(got["node_filesystem_readonly"].Metric) != 2 {
		t.Errorf("%d series, want 2", len(got["node_filesystem_readonly"].Metric))
	}
}

// TestRAID: the disks of a RAID are reported if there is one.
func TestRAID(t *testing.T) {
	root := plainHost(t)
	write(t, root, "proc/mdstat", `Personalities : [raid1]
md0 : active raid1 sdb1[1] sda1[0](F)
      1048576 blocks super 1.2 [2/1] [_U]

unused devices: <none>
`)
	got := gather(t, newOf(t, root))
	want := map[string]float64{"device=md0,state=active": 1, "device=md0,state=failed": 1, "device=md0,state=spare": 0}
	if diff := cmp.Diff(want, values(got["node_md_disks"])); diff != "" {
		t.Errorf("disks (-want +got):\n%s", diff)
	}
}

// TestAHostThatLacksMuch: without pressure, without CPUs in /sys, and with a /proc/vmstat that makes
// node_exporter panic, the rest is reported, and each failure is logged once.
func TestAHostThatLacksMuch(t *testing.T) {
	root := plainHost(t)
	for _, gone := range []string{"proc/pressure", "proc/mdstat", "sys/devices/system/cpu", "sys/devices/system/clocksource"} {
		if err := os.RemoveAll(filepath.Join(root, gone)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root, "proc/vmstat", "\n")
	logged := &lines{}
	h, err := New(Options{Root: root, Logger: slog.New(slog.NewTextHandler(logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	gather(t, h)
	got := gather(t, h)
	for _, family := range []string{"node_load1", "node_cpu_seconds_total", "node_time_seconds", "node_filesystem_avail_bytes"} {
		if got[family] == nil {
			t.Errorf("%s is missing", family)
		}
	}
	for _, part := range []string{"vmstat", "cpu"} {
		if n := logged.with("part=" + part); n != 1 {
			t.Errorf("%d lines about %s, want 1", n, part)
		}
	}
	for _, part := range []string{"pressure", "mdadm"} {
		if n := logged.with("part=" + part); n != 0 {
			t.Errorf("%d lines about %s, which the host does not have", n, part)
		}
	}
	write(t, root, "proc/vmstat", "oom_kill 1\n")
	if gather(t, h)["node_vmstat_oom_kill"] == nil || logged.with(`complete again" part=vmstat`) != 1 {
		t.Errorf("vmstat does not come back; logged:\n%s", logged)
	}
}

// TestNoHost: a root without /proc yields an error that says so.
func TestNoHost(t *testing.T) {
	root := t.TempDir()
	_, err := New(Options{Root: root, Logger: quiet()})
	if err == nil || !strings.Contains(err.Error(), "the host's root is not at "+root) {
		t.Errorf("err = %v", err)
	}
}

// TestAnotherRoot: Hosts with different roots each read their own, in turn and concurrently.
func TestAnotherRoot(t *testing.T) {
	first, second := plainHost(t), plainHost(t)
	write(t, second, "proc/loadavg", "9 8 7 1/2 3\n")
	hosts := map[*Host]float64{newOf(t, first): 0.52, newOf(t, second+"/"): 9}
	var all sync.WaitGroup
	for h, load := range hosts {
		all.Go(func() {
			for range 10 {
				families, err := h.Gather()
				i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "node_load1" })
				if err != nil || i < 0 || families[i].Metric[0].GetGauge().GetValue() != load {
					t.Errorf("load is not %v, err = %v", load, err)
				}
			}
		})
	}
	all.Wait()
}

// TestARootThatHangs: while something of one root hangs, reading another root fails with an error, but the
// hanging root itself can be read.
func TestARootThatHangs(t *testing.T) {
	root := plainHost(t)
	h := newOf(t, root)
	if err := acquire(t.Context(), flagsOf(Options{Root: root}), 1); err != nil { // like a hanging source
		t.Fatal(err)
	}
	gather(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := acquire(ctx, flagsOf(Options{Root: "/another"}), 1); err == nil || !strings.Contains(err.Error(), "hangs") {
		t.Errorf("err = %v", err)
	}
	gather(t, h)
	release(1)
	if err := acquire(t.Context(), flagsOf(Options{Root: "/another"}), 1); err != nil {
		t.Error(err)
	}
	release(1)
}

// TestThisMachine reads the root of this machine.
func TestThisMachine(t *testing.T) {
	h, err := New(Options{Root: "/", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	got := gather(t, h)
	for _, family := range []string{"node_load1", "node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_boot_time_seconds", "node_uname_info"} {
		if got[family] == nil {
			t.Errorf("%s is missing", family)
		}
	}
	for _, family := range slices.Sorted(maps.Keys(got)) {
		t.Logf("%3d %s", len(got[family].Metric), family)
	}
	t.Logf("%d series", count(got))
}

func BenchmarkGather(b *testing.B) {
	for name, root := range map[string]string{"root=machine": "/", "root=plain": plainHost(b)} {
		b.Run(name, func(b *testing.B) {
			h := newOf(b, root)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func write(t testing.TB, root, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lines records log lines.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// with counts the lines that contain a text.
func (l *lines) with(text string) (n int) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
