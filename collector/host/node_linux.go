package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
	"golang.org/x/sync/semaphore"
)

// node_exporter's collectors read their settings from variables of their package, some when they are made
// and some whenever they run. The variables are the values of command-line flags, which are set here
// one by one: no command line is parsed. This lock keeps them still while a collector runs, by one unit
// of it; whoever changes them has it whole. A collector that hangs keeps its unit.
var (
	settings     = semaphore.NewWeighted(whole)
	settingsRoot string // the root that they are set to, "" before the first; guarded by settings
)

const whole = 1 << 20

// Mounts of containers and of packages are not the host's. A disk of its own below Docker's
// directory is, but not what is mounted inside: layers, volumes, network namespaces.
const (
	leftOutMounts = `^/(dev|proc|run|sys|snap|var/snap|var/lib/(snapd|docker|containerd|containers/storage|kubelet)/.+)($|/)` +
		`|/volumes/[^/]+/_data$`
	leftOutTypes = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|erofs|` +
		`fuse\.(gvfsd-fuse|lxcfs|portal|snapfuse)|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|ramfs|rpc_pipefs|` +
		`securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs)$`
)

// The disks are told of, not their partitions, nor the volumes that LVM and dm-crypt make of them.
const leftOutDisks = `^((z?ram|loop|fd|sr|nbd|dm-)\d+|(h|s|v|xv)d[a-z]+\d+|nvme\d+n\d+p\d+|mmcblk\d+(p|boot|rpmb)\d*)$`

// fixed are the settings that do not depend on the root.
var fixed = [][2]string{
	{"collector.cpu.guest", "false"},
	{"collector.diskstats.device-exclude", leftOutDisks},
	{"collector.filesystem.fs-types-exclude", leftOutTypes},
	{"collector.filesystem.mount-points-exclude", leftOutMounts},
	{"collector.filesystem.mount-timeout", "5s"},
	{"collector.filesystem.stat-workers", "4"},
	{"collector.vmstat.fields", "^(oom_kill|pgfault|pgmajfault|pgpgin|pgpgout|pswpin|pswpout)$"},
}

// acquire takes n units of the settings, set to this root. It blocks while a collector runs that has
// another root, or until ctx ends.
func acquire(ctx context.Context, root string, n int) error {
	err := settings.Acquire(ctx, int64(n))
	if err == nil {
		if settingsRoot == root {
			return nil
		}
		release(n)
		err = settings.Acquire(ctx, whole)
	}
	if err != nil {
		return fmt.Errorf("the host at %s has to wait for another root, where a filesystem hangs: %w", root, err)
	}
	if err := configure(root); err != nil {
		release(whole)
		return err
	}
	release(whole - n)
	return nil
}

func release(n int) { settings.Release(int64(n)) }

// configure changes the settings. The fixed ones are set once, because node_exporter may read a timeout
// a moment after the collector has returned.
func configure(root string) error {
	values := [][2]string{
		{"path.procfs", filepath.Join(root, "proc")},
		{"path.sysfs", filepath.Join(root, "sys")},
		{"path.rootfs", root},
		{"path.udev.data", ""}, // nothing that is passed on is from there
	}
	if settingsRoot == "" {
		values = append(values, fixed...)
	}
	for _, v := range values {
		flag := kingpin.CommandLine.GetFlag(v[0])
		if flag == nil {
			return fmt.Errorf("node_exporter has no setting %s any more", v[0])
		}
		if err := flag.Model().Value.Set(v[1]); err != nil {
			return fmt.Errorf("set %s of node_exporter: %w", v[0], err)
		}
	}
	settingsRoot = root
	return nil
}

// sourcesOf makes the sources of a root, to which the settings are set.
func sourcesOf(root string) ([]*source, error) {
	for _, dir := range []string{"proc", "sys"} {
		if _, err := os.Stat(filepath.Join(root, dir)); err != nil {
			return nil, fmt.Errorf("the host's root is not at %s: %w", root, err)
		}
	}
	sources := []*source{
		{name: "network", updater: newNetwork(root)},
		{name: "build", updater: build{}},
	}
	quiet := slog.New(slog.DiscardHandler) // what fails is in the error
	for _, c := range []struct {
		name string
		make func(*slog.Logger) (collector.Collector, error)
	}{
		{"cpu", collector.NewCPUCollector},
		{"diskstats", collector.NewDiskstatsCollector},
		{"filefd", collector.NewFileFDStatCollector},
		{"filesystem", collector.NewFilesystemCollector},
		{"loadavg", collector.NewLoadavgCollector},
		{"mdadm", collector.NewMdadmCollector},
		{"meminfo", collector.NewMeminfoCollector},
		{"os", collector.NewOSCollector},
		{"pressure", collector.NewPressureStatsCollector},
		{"stat", collector.NewStatCollector},
		{"time", collector.NewTimeCollector},
		{"timex", collector.NewTimexCollector},
		{"uname", collector.NewUnameCollector},
		{"vmstat", collector.NewvmStatCollector},
	} {
		made, err := c.make(quiet)
		if err != nil {
			return nil, fmt.Errorf("read %s of the host at %s: %w", c.name, root, err)
		}
		sources = append(sources, &source{name: c.name, updater: mayBeNone{made}})
	}
	return sources, nil
}

// mayBeNone is a collector for which it is no failure that the host has nothing to tell, as without RAID.
type mayBeNone struct{ collector.Collector }

func (m mayBeNone) Update(ch chan<- prometheus.Metric) error {
	err := m.Collector.Update(ch)
	if collector.IsNoDataError(err) {
		return nil
	}
	return err
}

// build is node_exporter_build_info, by which dashboards find hosts.
type build struct{}

func (build) Update(ch chan<- prometheus.Metric) error {
	const path = "github.com/prometheus/node_exporter"
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == path {
				version = strings.TrimPrefix(dep.Version, "v")
			}
		}
	}
	desc := prometheus.NewDesc("node_exporter_build_info", "The version of node_exporter whose collectors give the host's metrics.",
		nil, prometheus.Labels{"version": version, "goversion": runtime.Version(), "goos": runtime.GOOS, "goarch": runtime.GOARCH})
	ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1)
	return nil
}
