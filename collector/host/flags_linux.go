package host

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// flags holds the values of all of node_exporter's command-line flags.
type flags struct {
	root   string
	values map[string][]string // one value each, except for flags that may be given several times
	text   string              // a string form of the values, for comparison
}

// flagsOf returns the flags for a Host.
func flagsOf(o Options) *flags {
	f := newFlags(o.Root)
	if o.Exporter != nil {
		o.Exporter.setFlags(f)
	} else {
		setRoot(f)
	}
	f.text = fmt.Sprintf("%q", f.values) // sorted by name
	return f
}

// setRoot sets the flags for lighter's own selection.
func setRoot(f *flags) {
	f.to("path.procfs", filepath.Join(f.root, "proc"))
	f.to("path.sysfs", filepath.Join(f.root, "sys"))
	f.to("path.rootfs", f.root)
	f.to("path.udev.data", "") // nothing that is passed on comes from there
	for _, v := range fixed {
		f.to(v[0], v[1])
	}
}

// newFlags returns node_exporter's defaults.
func newFlags(root string) *flags {
	f := &flags{root: root, values: map[string][]string{}}
	for name, values := range defaultFlags() {
		f.values[name] = values
	}
	return f
}

func (f *flags) to(name string, values ...string) { f.values[name] = values }

func (f *flags) toBool(name string, v bool) { f.to(name, strconv.FormatBool(v)) }

// defaultFlags returns the defaults of all flags that are settings of collectors, by name. The flags that
// enable collectors are not among them.
var defaultFlags = sync.OnceValue(func() map[string][]string {
	values := map[string][]string{}
	for _, flag := range kingpin.CommandLine.Model().Flags {
		switch {
		case !strings.HasPrefix(flag.Name, "path.") && (!strings.HasPrefix(flag.Name, "collector.") || strings.Count(flag.Name, ".") < 2):
		case len(flag.Default) > 0:
			values[flag.Name] = flag.Default
		case isList(flag.Value):
			values[flag.Name] = nil
		default:
			values[flag.Name] = []string{flag.Value.String()} // still the default, as nobody has set it yet
		}
	}
	return values
})

func isList(v kingpin.Value) bool {
	_, ok := listOf(v)
	return ok
}

// listOf returns a pointer to the values of a flag that may be given several times.
func listOf(v kingpin.Value) (*[]string, bool) {
	getter, ok := v.(kingpin.Getter)
	if !ok {
		return nil, false
	}
	list, ok := getter.Get().(*[]string)
	return list, ok
}

// set sets node_exporter's flags. It does not write values that are already right.
func (f *flags) set() error {
	for name, values := range f.values {
		flag := kingpin.CommandLine.GetFlag(name)
		if flag == nil {
			return fmt.Errorf("node_exporter has no setting %s any more", name)
		}
		v := flag.Model().Value
		if list, ok := listOf(v); ok {
			if !slices.Equal(*list, values) {
				*list = slices.Clone(values)
			}
			continue
		}
		if v.String() == values[0] {
			continue
		}
		if err := v.Set(values[0]); err != nil {
			return fmt.Errorf("set %s of node_exporter: %w", name, err)
		}
	}
	return nil
}

// setFlags sets the flags for the exporter.
func (e *Exporter) setFlags(f *flags) {
	devices := func(collector string, d Devices) {
		if d.Include != "" {
			d.Exclude = ""
		}
		f.to(collector+".device-exclude", d.Exclude)
		f.to(collector+".device-include", d.Include)
	}
	duration := func(name string, d time.Duration) { f.to(name, d.String()) }
	f.to("path.procfs", e.ProcPath)
	f.to("path.sysfs", e.SysPath)
	f.to("path.rootfs", e.RootPath)
	f.to("path.udev.data", e.UdevDataPath)

	f.to("collector.arp.device-exclude", e.ARP.Exclude)
	f.to("collector.arp.device-include", e.ARP.Include)
	f.toBool("collector.arp.netlink", e.ARP.Netlink)
	f.toBool("collector.bcache.priorityStats", e.BCache.PriorityStats)
	f.toBool("collector.cpu.guest", e.CPU.Guest)
	f.toBool("collector.cpu.info", e.CPU.Info)
	f.to("collector.cpu.info.bugs-include", e.CPU.BugsInclude)
	f.to("collector.cpu.info.flags-include", e.CPU.FlagsInclude)
	devices("collector.diskstats", e.Disk)
	f.to("collector.ethtool.device-exclude", e.Ethtool.Exclude)
	f.to("collector.ethtool.device-include", e.Ethtool.Include)
	f.to("collector.ethtool.metrics-include", e.Ethtool.MetricsInclude)
	f.to("collector.filesystem.fs-types-exclude", e.Filesystem.FSTypesExclude)
	f.to("collector.filesystem.mount-points-exclude", e.Filesystem.MountPointsExclude)
	duration("collector.filesystem.mount-timeout", e.Filesystem.MountTimeout)
	f.to("collector.hwmon.chip-exclude", e.HWMon.ChipExclude)
	f.to("collector.hwmon.chip-include", e.HWMon.ChipInclude)
	if len(e.IPVS.BackendLabels) > 0 {
		f.to("collector.ipvs.backend-labels", strings.Join(e.IPVS.BackendLabels, ","))
	}
	f.to("collector.ntp.ip-ttl", strconv.Itoa(e.NTP.IPTTL))
	duration("collector.ntp.local-offset-tolerance", e.NTP.LocalOffsetTolerance)
	duration("collector.ntp.max-distance", e.NTP.MaxDistance)
	f.to("collector.ntp.protocol-version", strconv.Itoa(e.NTP.ProtocolVersion))
	f.to("collector.ntp.server", e.NTP.Server)
	f.toBool("collector.ntp.server-is-local", e.NTP.ServerIsLocal)
	f.toBool("collector.netclass.ignore-invalid-speed", e.Netclass.IgnoreInvalidSpeed)
	f.to("collector.netclass.ignored-devices", e.Netclass.IgnoredDevices)
	f.toBool("collector.netdev.address-info", e.Netdev.AddressInfo)
	f.to("collector.netdev.device-exclude", e.Netdev.Exclude)
	f.to("collector.netdev.device-include", e.Netdev.Include)
	f.toBool("collector.netdev.netlink", false) // as in Alloy: what is below procfs_path counts
	f.to("collector.netstat.fields", e.Netstat.Fields)
	f.to("collector.perf.cpus", e.Perf.CPUs)
	f.to("collector.perf.tracepoint", e.Perf.Tracepoint...)
	f.toBool("collector.perf.disable-hardware-profilers", e.Perf.DisableHardwareProfilers)
	f.toBool("collector.perf.disable-software-profilers", e.Perf.DisableSoftwareProfilers)
	f.toBool("collector.perf.disable-cache-profilers", e.Perf.DisableCacheProfilers)
	f.to("collector.perf.hardware-profilers", e.Perf.HardwareProfilers...)
	f.to("collector.perf.software-profilers", e.Perf.SoftwareProfilers...)
	f.to("collector.perf.cache-profilers", e.Perf.CacheProfilers...)
	f.to("collector.powersupply.ignored-supplies", e.Powersupply.IgnoredSupplies)
	f.to("collector.runit.servicedir", e.Runit.ServiceDir)
	f.to("collector.supervisord.url", e.Supervisord.URL)
	f.to("collector.sysctl.include", e.Sysctl.Include...)
	f.to("collector.sysctl.include-info", e.Sysctl.IncludeInfo...)
	f.toBool("collector.systemd.enable-restarts-metrics", e.Systemd.Restarts)
	f.toBool("collector.systemd.enable-start-time-metrics", e.Systemd.StartTime)
	f.toBool("collector.systemd.enable-task-metrics", e.Systemd.Tasks)
	f.to("collector.systemd.unit-exclude", e.Systemd.UnitExclude)
	f.to("collector.systemd.unit-include", e.Systemd.UnitInclude)
	f.to("collector.tapestats.ignored-devices", e.Tapestats.IgnoredDevices)
	f.to("collector.textfile.directory", e.Textfile.Directory)
	f.to("collector.vmstat.fields", e.VMStat.Fields)
}
