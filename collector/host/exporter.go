package host

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Exporter configures a page with everything that node_exporter's collectors find, instead of a selection.
// The fields are the arguments of Alloy's prometheus.exporter.unix, and DefaultExporter has Alloy's
// defaults.
type Exporter struct {
	ProcPath, SysPath, RootPath, UdevDataPath string

	// Set lists the collectors that run, in place of those that node_exporter runs by default. Disable are
	// removed from them, and then Enable are added.
	Set, Disable, Enable []string

	IncludeExporterMetrics bool // how often the page was requested

	ARP         ARP
	BCache      BCache
	CPU         CPU
	Disk        Devices
	Ethtool     Ethtool
	Filesystem  Filesystem
	HWMon       HWMon
	IPVS        IPVS
	NTP         NTP
	Netclass    Netclass
	Netdev      Netdev
	Netstat     Netstat
	Perf        Perf
	Powersupply Powersupply
	Runit       Runit
	Supervisord Supervisord
	Sysctl      Sysctl
	Systemd     Systemd
	Tapestats   Tapestats
	Textfile    Textfile
	VMStat      VMStat
}

// Devices selects the devices that a collector reports: those that Include matches if it is set, and
// otherwise those that Exclude does not match.
type Devices struct{ Exclude, Include string }

// ARP is the collector of ARP caches.
type ARP struct {
	Devices
	Netlink bool
}

// BCache is the collector of bcache.
type BCache struct{ PriorityStats bool }

// CPU is the collector of CPU times.
type CPU struct {
	BugsInclude, FlagsInclude string
	Guest, Info               bool
}

// Ethtool is the collector of the counters of network card drivers.
type Ethtool struct {
	Devices
	MetricsInclude string
}

// Filesystem is the collector of filesystems.
type Filesystem struct {
	FSTypesExclude, MountPointsExclude string
	MountTimeout                       time.Duration
}

// HWMon is the collector of sensors.
type HWMon struct{ ChipExclude, ChipInclude string }

// IPVS is the collector of virtual servers.
type IPVS struct{ BackendLabels []string }

// NTP is the collector that queries a time server.
type NTP struct {
	IPTTL                int
	LocalOffsetTolerance time.Duration
	MaxDistance          time.Duration
	ProtocolVersion      int
	Server               string
	ServerIsLocal        bool
}

// Netclass is the collector of the kernel's properties of network interfaces.
type Netclass struct {
	IgnoreInvalidSpeed bool
	IgnoredDevices     string
}

// Netdev is the collector of the traffic of network interfaces.
type Netdev struct {
	Devices
	AddressInfo bool
}

// Netstat is the collector of the counters of network protocols.
type Netstat struct{ Fields string }

// Perf is the collector of perf counters of processors and the kernel.
type Perf struct {
	CPUs                                                                      string
	Tracepoint                                                                []string
	DisableHardwareProfilers, DisableSoftwareProfilers, DisableCacheProfilers bool
	HardwareProfilers, SoftwareProfilers, CacheProfilers                      []string
}

// Powersupply is the collector of power supplies.
type Powersupply struct{ IgnoredSupplies string }

// Runit is the collector of services supervised by runit.
type Runit struct{ ServiceDir string }

// Supervisord is the collector of services supervised by supervisord.
type Supervisord struct{ URL string }

// Sysctl is the collector of kernel settings.
type Sysctl struct{ Include, IncludeInfo []string }

// Systemd is the collector of systemd units.
type Systemd struct {
	Restarts, StartTime, Tasks bool
	UnitExclude, UnitInclude   string
}

// Tapestats is the collector of tape drives.
type Tapestats struct{ IgnoredDevices string }

// Textfile is the collector of metrics that other programs write to files.
type Textfile struct{ Directory string }

// VMStat is the collector of virtual memory counters.
type VMStat struct{ Fields string }

// Unknown returns the names in Set, Enable and Disable that are not collectors, in order. They do not run.
func (e *Exporter) Unknown() (names []string) {
	for _, name := range slices.Concat(e.Set, e.Enable, e.Disable) {
		if !isLinked(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Check returns what is wrong with the settings, as far as it can tell without opening anything.
func (e *Exporter) Check() error {
	if e.ProcPath == "" || e.SysPath == "" || e.RootPath == "" {
		return fmt.Errorf("want the directories of the host's proc (%q), sys (%q) and root (%q)", e.ProcPath, e.SysPath, e.RootPath)
	}
	if e.Filesystem.MountTimeout <= 0 {
		return fmt.Errorf("filesystem mount_timeout is %s, want more than 0", e.Filesystem.MountTimeout)
	}
	for _, p := range []struct{ of, pattern string }{
		{"arp device_exclude", e.ARP.Exclude}, {"arp device_include", e.ARP.Include},
		{"cpu bugs_include", e.CPU.BugsInclude}, {"cpu flags_include", e.CPU.FlagsInclude},
		{"disk device_exclude", e.Disk.Exclude}, {"disk device_include", e.Disk.Include},
		{"ethtool device_exclude", e.Ethtool.Exclude}, {"ethtool device_include", e.Ethtool.Include}, {"ethtool metrics_include", e.Ethtool.MetricsInclude},
		{"filesystem fs_types_exclude", e.Filesystem.FSTypesExclude}, {"filesystem mount_points_exclude", e.Filesystem.MountPointsExclude},
		{"hwmon chip_exclude", e.HWMon.ChipExclude}, {"hwmon chip_include", e.HWMon.ChipInclude},
		{"netclass ignored_devices", e.Netclass.IgnoredDevices},
		{"netdev device_exclude", e.Netdev.Exclude}, {"netdev device_include", e.Netdev.Include},
		{"netstat fields", e.Netstat.Fields}, {"powersupply ignored_supplies", e.Powersupply.IgnoredSupplies},
		{"systemd unit_exclude", e.Systemd.UnitExclude}, {"systemd unit_include", e.Systemd.UnitInclude},
		{"tapestats ignored_devices", e.Tapestats.IgnoredDevices}, {"vmstat fields", e.VMStat.Fields},
	} {
		if _, err := regexp.Compile(p.pattern); err != nil {
			return fmt.Errorf("%s: %w", p.of, err)
		}
	}
	for _, d := range []struct {
		of string
		Devices
	}{{"arp", e.ARP.Devices}, {"ethtool", e.Ethtool.Devices}, {"netdev", e.Netdev.Devices}} {
		if d.Exclude != "" && d.Include != "" {
			return fmt.Errorf("%s has both a device_exclude and a device_include, want one of them", d.of)
		}
	}
	return nil
}

// DefaultExporter returns Alloy's default settings.
func DefaultExporter() Exporter {
	return Exporter{
		ProcPath:     "/proc",
		SysPath:      "/sys",
		RootPath:     "/",
		UdevDataPath: "/run/udev/data",
		Disk:         Devices{Exclude: `^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`},
		Ethtool:      Ethtool{MetricsInclude: ".*"},
		Filesystem: Filesystem{
			FSTypesExclude: "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|" +
				"overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$",
			MountPointsExclude: "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+)($|/)",
			MountTimeout:       5 * time.Second,
		},
		NTP: NTP{
			IPTTL:                1,
			LocalOffsetTolerance: time.Millisecond,
			MaxDistance:          3466080 * time.Microsecond,
			ProtocolVersion:      4,
			Server:               "127.0.0.1",
		},
		Netclass: Netclass{IgnoredDevices: "^$"},
		Netstat: Netstat{Fields: "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|" +
			"TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|" +
			"Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$"},
		Powersupply: Powersupply{IgnoredSupplies: "^$"},
		Runit:       Runit{ServiceDir: "/etc/service"},
		Supervisord: Supervisord{URL: "http://localhost:9001/RPC2"},
		Systemd:     Systemd{UnitExclude: `.+\.(automount|device|mount|scope|slice)`, UnitInclude: ".+"},
		Tapestats:   Tapestats{IgnoredDevices: "^$"},
		VMStat:      VMStat{Fields: "^(oom_kill|pgpg|pswp|pg.*fault).*"},
	}
}
