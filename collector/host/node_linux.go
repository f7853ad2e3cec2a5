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

// node_exporter's collectors read their settings from package variables, some when they are created and
// some whenever they run. The variables are the values of command-line flags, which this package sets one
// by one without parsing a command line. Each running collector holds one unit of this semaphore, so that
// the variables do not change; changing them requires all units. A collector that hangs keeps its unit.
//
// For this reason, Hosts with different settings, such as two roots, gather in turn. A filesystem timeout
// may still be read a moment after the collector has returned; it is written only if it differs.
var (
	settings        = semaphore.NewWeighted(whole)
	settingsCurrent string // present settings (flags.text), "" before the first; guarded by settings
)

const whole = 1 << 20

// Mounts of containers and of packages are not the host's. A separate disk below Docker's directory is the
// host's, but not what is mounted inside: layers, volumes, network namespaces.
const (
	leftOutMounts = `^/(dev|proc|run|sys|snap|var/snap|var/lib/(snapd|docker|containerd|containers/storage|kubelet)/.+)($|/)` +
		`|/volumes/[^/]+/_data$`
	leftOutTypes = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|erofs|` +
		`fuse\.(gvfsd-fuse|lxcfs|portal|snapfuse)|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|ramfs|rpc_pipefs|` +
		`securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs)$`
)

// Disks are reported, but not their partitions, nor the volumes of LVM and dm-crypt on them.
const leftOutDisks = `^((z?ram|loop|fd|sr|nbd|dm-)\d+|(h|s|v|xv)d[a-z]+\d+|nvme\d+n\d+p\d+|mmcblk\d+(p|boot|rpmb)\d*)$`

// fixed are the settings of lighter's own selection that do not depend on the root.
var fixed = [][2]string{
	{"collector.cpu.guest", "false"},
	{"collector.diskstats.device-exclude", leftOutDisks},
	{"collector.filesystem.fs-types-exclude", leftOutTypes},
	{"collector.filesystem.mount-points-exclude", leftOutMounts},
	{"collector.filesystem.mount-timeout", "5s"},
	{"collector.filesystem.stat-workers", "4"},
	{"collector.vmstat.fields", "^(oom_kill|pgfault|pgmajfault|pgpgin|pgpgout|pswpin|pswpout)$"},
}

// acquire acquires n units of the settings, set to f. It blocks while a collector with other settings runs,
// or until ctx ends.
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

// sourcesOf makes the sources of a Host. The caller has set the settings for the Host.
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
	quiet := slog.New(slog.DiscardHandler) // the error contains what fails
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

// mayBeNone is a collector that may find nothing on a host, such as RAID, without failing.
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
