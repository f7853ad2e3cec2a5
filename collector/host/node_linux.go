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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
	"golang.org/x/sync/semaphore"
)

// node_exporter's collectors read their settings from variables of their package, some when they are made
// and some whenever they run. The variables are the values of command-line flags, which are set here
// one by one: no command line is parsed. This lock keeps them still while a collector runs, by one unit
// of it; whoever changes them has it whole. A collector that hangs keeps its unit.
//
// Hosts that are set to different things, such as two roots, gather by turns for that reason. A timeout of
// filesystems may still be read a moment after the collector has returned, and it is written only when it
// differs.
var (
	settings        = semaphore.NewWeighted(whole)
	settingsCurrent string // what they are set to (flags.text), "" before the first; guarded by settings
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

// fixed are the settings of a choice of ours that do not depend on the root.
var fixed = [][2]string{
	{"collector.cpu.guest", "false"},
	{"collector.diskstats.device-exclude", leftOutDisks},
	{"collector.filesystem.fs-types-exclude", leftOutTypes},
	{"collector.filesystem.mount-points-exclude", leftOutMounts},
	{"collector.filesystem.mount-timeout", "5s"},
	{"collector.filesystem.stat-workers", "4"},
	{"collector.vmstat.fields", "^(oom_kill|pgfault|pgmajfault|pgpgin|pgpgout|pswpin|pswpout)$"},
}

// acquire takes n units of the settings, set to f. It blocks while a collector runs that has
// other settings, or until ctx ends.
func acquire(ctx context.Context, f *flags, n int) error {
	err := settings.Acquire(ctx, int64(n))
	if err == nil {
		if settingsCurrent == f.text {
			return nil
		}
		release(n)
		err = settings.Acquire(ctx, whole)
	}
	if err != nil {
		return fmt.Errorf("the host at %s has to wait for another root or exporter, where a filesystem hangs: %w", f.root, err)
	}
	if err := f.set(); err != nil {
		release(whole)
		return err
	}
	settingsCurrent = f.text
	release(whole - n)
	return nil
}

func release(n int) { settings.Release(int64(n)) }

// sourcesOf makes the sources of a Host, to whose settings the settings are set.
func sourcesOf(o Options) ([]*source, error) {
	if o.Exporter != nil {
		return exporterSources(o)
	}
	root := o.Root
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
