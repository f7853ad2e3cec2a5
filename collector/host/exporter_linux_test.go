package host

import (
	"bytes"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exporterOf returns the default Exporter for a host whose root is mounted.
func exporterOf(root string) *Exporter {
	e := DefaultExporter()
	e.ProcPath, e.SysPath, e.RootPath, e.UdevDataPath = filepath.Join(root, "proc"), filepath.Join(root, "sys"), root, filepath.Join(root, "udev")
	return &e
}

func newExporter(t testing.TB, e *Exporter) *Host {
	t.Helper()
	h, err := New(Options{Exporter: e, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The effect of settings on the page of a plain host: families that are present or absent, and values of
// some.
func TestExporter(t *testing.T) {
	textfiles := t.TempDir()
	if err := os.WriteFile(filepath.Join(textfiles, "backup.prom"), []byte("# TYPE backup_age gauge\nbackup_age 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*Exporter)
		want   map[string]map[string]float64 // families; a nil family may have any values
		none   string                        // families that must be absent
	}{
		"defaults": {
			func(*Exporter) {},
			map[string]map[string]float64{
				"node_load1":                    {"": 0.52},
				"node_disk_written_bytes_total": {"device=sda": 2048000, "device=nvme0n1": 2048000, "device=dm-0": 2048000, "device=dm-1": 2048000, "device=sr0": 2048000, "device=zram0": 2048000, "device=mmcblk0boot0": 2048000},
				"node_filesystem_size_bytes":    nil, "node_filesystem_device_error": {
					"device=/dev/sda2,fstype=ext4,mountpoint=/": 0, "device=/dev/sda1,fstype=vfat,mountpoint=/boot/efi": 0, "device=/dev/nvme0n1p1,fstype=xfs,mountpoint=/srv/data": 0,
					"device=/dev/sda2,device_error=no such file or directory,fstype=ext4,mountpoint=/var/chroot/ci/home":          1,
					"device=/dev/sdc2,device_error=no such file or directory,fstype=ext4,mountpoint=/mnt/docker/volumes/db/_data": 1,
					"device=tmpfs,device_error=no such file or directory,fstype=tmpfs,mountpoint=/run":                            1,
					"device=tmpfs,device_error=no such file or directory,fstype=tmpfs,mountpoint=/tmp":                            1,
				},
				"node_network_receive_bytes_total": {"device=eth0": 1, "device=lo": 11},
				"node_textfile_scrape_error":       {"": 0},
				"node_exporter_build_info":         nil, "node_scrape_collector_duration_seconds": nil,
				"promhttp_metric_handler_errors_total":    {"cause=encoding": 0, "cause=gathering": 0},
				"node_pressure_irq_stalled_seconds_total": nil,
			},
			"node_cpu_guest_seconds_total promhttp_metric_handler_requests_total node_processes_state node_systemd_units node_cpu_info",
		},
		"a set of collectors": {
			func(e *Exporter) {
				e.Set, e.Enable, e.Disable = []string{"loadavg", "filefd", "meminfo"}, []string{"vmstat"}, []string{"meminfo"}
			},
			map[string]map[string]float64{
				"node_load1": {"": 0.52}, "node_filefd_maximum": {"": 1048576}, "node_vmstat_oom_kill": {"": 8},
				"node_scrape_collector_success": {"collector=loadavg": 1, "collector=filefd": 1, "collector=vmstat": 1},
			},
			"node_memory_MemTotal_bytes node_uname_info node_network_receive_bytes_total",
		},
		"what is left out of disks, filesystems and the network": {
			func(e *Exporter) {
				e.Disk.Exclude = "^(sd|nvme|dm|loop|sr|mmc).*$"
				e.Filesystem.FSTypesExclude, e.Filesystem.MountPointsExclude = "^(tmpfs|vfat|proc|sysfs|devtmpfs|overlay|squashfs|cgroup2|nsfs)$", "^/(srv|mnt|var)($|/)"
				e.Netdev.Exclude = "^lo$"
			},
			map[string]map[string]float64{
				"node_disk_written_bytes_total":    {"device=zram0": 2048000},
				"node_filesystem_readonly":         {"device=/dev/sda2,fstype=ext4,mountpoint=/": 0},
				"node_network_receive_bytes_total": {"device=eth0": 1},
			}, "",
		},
		"what is told of alone": {
			func(e *Exporter) { e.Disk.Include, e.Netdev.Include, e.VMStat.Fields = "^sda$", "^lo$", "^pgfault$" },
			map[string]map[string]float64{
				"node_disk_written_bytes_total":    {"device=sda": 2048000},
				"node_network_receive_bytes_total": {"device=lo": 11},
				"node_vmstat_pgfault":              {"": 5},
			}, "node_vmstat_oom_kill",
		},
		"text files": {
			func(e *Exporter) { e.Set, e.Textfile.Directory = []string{"textfile"}, textfiles },
			map[string]map[string]float64{"backup_age": {"": 7}, "node_textfile_scrape_error": {"": 0}}, "",
		},
		"settings of the kernel": {
			func(e *Exporter) { e.Set, e.Sysctl.Include = []string{"sysctl"}, []string{"fs.file-nr:total,free,max"} },
			map[string]map[string]float64{"node_sysctl_fs_file_nr_total": {"": 2944}, "node_sysctl_fs_file_nr_max": {"": 1048576}}, "",
		},
		"the exporter's own metrics": {
			func(e *Exporter) { e.Set, e.IncludeExporterMetrics = []string{"loadavg"}, true },
			map[string]map[string]float64{
				"promhttp_metric_handler_requests_total":     {"code=200": 0, "code=500": 0, "code=503": 0},
				"promhttp_metric_handler_requests_in_flight": {"": 1},
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := exporterOf(plainHost(t))
			tc.change(e)
			got := gather(t, newExporter(t, e))
			for family, want := range tc.want {
				f, ok := got[family]
				if !ok {
					t.Errorf("there is no %s", family)
				} else if diff := cmp.Diff(want, values(f)); want != nil && diff != "" {
					t.Errorf("%s (-want +got):\n%s", family, diff)
				}
			}
			for _, family := range strings.Fields(tc.none) {
				if got[family] != nil {
					t.Errorf("there is %s: %v", family, values(got[family]))
				}
			}
		})
	}
}

// Hosts with different settings gather concurrently, each with its own settings.
func TestExportersSideBySide(t *testing.T) {
	root, other := plainHost(t), plainHost(t)
	one, two := exporterOf(root), exporterOf(other)
	one.Netdev.Exclude, two.Netdev.Include = "^lo$", "^lo$"
	one.Sysctl.Include, two.Sysctl.Include = []string{"fs.file-nr:total,free,max"}, nil
	one.Enable = []string{"sysctl"}
	hosts := map[*Host]struct {
		devices []string
		sysctl  bool
	}{
		newExporter(t, one): {[]string{"device=eth0"}, true},
		newExporter(t, two): {[]string{"device=lo"}, false},
		newOf(t, root):      {[]string{"device=eth0", "device=wg0"}, false},
	}
	var all sync.WaitGroup
	for h, want := range hosts {
		all.Go(func() {
			for range 10 {
				got := gather(t, h)
				if diff := cmp.Diff(want.devices, slices.Sorted(maps.Keys(values(got["node_network_receive_bytes_total"])))); diff != "" {
					t.Errorf("devices (-want +got):\n%s", diff)
				}
				if (got["node_sysctl_fs_file_nr_total"] != nil) != want.sysctl {
					t.Errorf("there are settings of the kernel: %v, want %v", !want.sysctl, want.sysctl)
				}
			}
		})
	}
	all.Wait()
}

// Wrong settings are reported, and stop nothing else.
func TestExporterCheck(t *testing.T) {
	root := plainHost(t)
	for name, tc := range map[string]struct {
		change func(*Exporter)
		want   string // in the error
	}{
		"defaults":       {func(*Exporter) {}, ""},
		"a bad pattern":  {func(e *Exporter) { e.Filesystem.MountPointsExclude = "^/(dev" }, "filesystem mount_points_exclude: error parsing regexp"},
		"both":           {func(e *Exporter) { e.Netdev.Exclude, e.Netdev.Include = "a", "b" }, "netdev has both a device_exclude and a device_include"},
		"no timeout":     {func(e *Exporter) { e.Filesystem.MountTimeout = -time.Second }, "mount_timeout is -1s"},
		"no proc":        {func(e *Exporter) { e.ProcPath = "" }, "want the directories"},
		"no such proc":   {func(e *Exporter) { e.ProcPath = filepath.Join(root, "none") }, "the host's metrics cannot be read"},
		"names unknown":  {func(e *Exporter) { e.Enable = []string{"none"} }, ""},
		"a disk of both": {func(e *Exporter) { e.Disk.Include = "sda" }, ""}, // its default excludes some
	} {
		e := exporterOf(root)
		tc.change(e)
		h, err := New(Options{Exporter: e, Logger: quiet()})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if err == nil {
			gather(t, h)
		}
	}
	e := Exporter{Set: []string{"cpu", "drbd"}, Enable: []string{"nope", "drbd"}, Disable: []string{"gone"}}
	if diff := cmp.Diff([]string{"drbd", "nope", "gone"}, e.Unknown()); diff != "" {
		t.Errorf("unknown collectors (-want +got):\n%s", diff)
	}
}

// All linked collectors can be made, or return a reason.
func TestAllCollectors(t *testing.T) {
	e := exporterOf(plainHost(t))
	e.Enable = slices.Sorted(maps.Keys(linked))
	var log bytes.Buffer
	h, err := New(Options{Exporter: e, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d collectors\n%s", len(h.sources)-2, len(linked), &log)
	if len(h.sources)-2 < len(linked)-8 {
		t.Errorf("%d of %d collectors can be made", len(h.sources)-2, len(linked))
	}
}
