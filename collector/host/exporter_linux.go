package host

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

// linked are node_exporter's collectors, by the names that its users know. All except drbd are present.
var linked = map[string]func(*slog.Logger) (collector.Collector, error){
	"arp":                 collector.NewARPCollector,
	"bcache":              collector.NewBcacheCollector,
	"bcachefs":            collector.NewBcachefsCollector,
	"bonding":             collector.NewBondingCollector,
	"btrfs":               collector.NewBtrfsCollector,
	"buddyinfo":           collector.NewBuddyinfoCollector,
	"cgroups":             collector.NewCgroupSummaryCollector,
	"conntrack":           collector.NewConntrackCollector,
	"cpu":                 collector.NewCPUCollector,
	"cpu_vulnerabilities": collector.NewVulnerabilitySysfsCollector,
	"cpufreq":             collector.NewCPUFreqCollector,
	"diskstats":           collector.NewDiskstatsCollector,
	"dmi":                 collector.NewDMICollector,
	"dmmultipath":         collector.NewDMMultipathCollector,
	"drm":                 collector.NewDrmCollector,
	"edac":                collector.NewEdacCollector,
	"entropy":             collector.NewEntropyCollector,
	"ethtool":             collector.NewEthtoolCollector,
	"fibrechannel":        collector.NewFibreChannelCollector,
	"filefd":              collector.NewFileFDStatCollector,
	"filesystem":          collector.NewFilesystemCollector,
	"hwmon":               collector.NewHwMonCollector,
	"infiniband":          collector.NewInfiniBandCollector,
	"interrupts":          collector.NewInterruptsCollector,
	"ipvs":                collector.NewIPVSCollector,
	"kernel_hung":         collector.NewKernelHungCollector,
	"ksmd":                collector.NewKsmdCollector,
	"lnstat":              collector.NewLnstatCollector,
	"loadavg":             collector.NewLoadavgCollector,
	"logind":              collector.NewLogindCollector,
	"mdadm":               collector.NewMdadmCollector,
	"meminfo":             collector.NewMeminfoCollector,
	"meminfo_numa":        collector.NewMeminfoNumaCollector,
	"mountstats":          collector.NewMountStatsCollector,
	"netclass":            collector.NewNetClassCollector,
	"netdev":              collector.NewNetDevCollector,
	"netstat":             collector.NewNetStatCollector,
	"network_route":       collector.NewNetworkRouteCollector,
	"nfs":                 collector.NewNfsCollector,
	"nfsd":                collector.NewNFSdCollector,
	"ntp":                 collector.NewNtpCollector,
	"nvme":                collector.NewNVMeCollector,
	"nvmesubsystem":       collector.NewNVMeSubsystemCollector,
	"os":                  collector.NewOSCollector,
	"pcidevice":           collector.NewPcideviceCollector,
	"perf":                collector.NewPerfCollector,
	"powersupplyclass":    collector.NewPowerSupplyClassCollector,
	"pressure":            collector.NewPressureStatsCollector,
	"processes":           collector.NewProcessStatCollector,
	"qdisc":               collector.NewQdiscStatCollector,
	"rapl":                collector.NewRaplCollector,
	"runit":               collector.NewRunitCollector,
	"schedstat":           collector.NewSchedstatCollector,
	"selinux":             collector.NewSelinuxCollector,
	"slabinfo":            collector.NewSlabinfoCollector,
	"sockstat":            collector.NewSockStatCollector,
	"softirqs":            collector.NewSoftirqsCollector,
	"softnet":             collector.NewSoftnetCollector,
	"stat":                collector.NewStatCollector,
	"supervisord":         collector.NewSupervisordCollector,
	"swap":                collector.NewSwapCollector,
	"sysctl":              collector.NewSysctlCollector,
	"systemd":             collector.NewSystemdCollector,
	"tapestats":           collector.NewTapestatsCollector,
	"tcpstat":             collector.NewTCPStatCollector,
	"textfile":            collector.NewTextFileCollector,
	"thermal_zone":        collector.NewThermalZoneCollector,
	"time":                collector.NewTimeCollector,
	"timex":               collector.NewTimexCollector,
	"udp_queues":          collector.NewUDPqueuesCollector,
	"uname":               collector.NewUnameCollector,
	"vmstat":              collector.NewvmStatCollector,
	"watchdog":            collector.NewWatchdogCollector,
	"wifi":                collector.NewWifiCollector,
	"xfrm":                collector.NewXfrmCollector,
	"xfs":                 collector.NewXFSCollector,
	"zfs":                 collector.NewZFSCollector,
	"zoneinfo":            collector.NewZoneinfoCollector,
}

func isLinked(name string) bool { return linked[name] != nil }

// runs returns the names of the collectors that run, in order.
func (e *Exporter) runs() []string {
	on := map[string]bool{}
	for name := range linked {
		if len(e.Set) > 0 {
			on[name] = slices.Contains(e.Set, name)
		} else if flag := kingpin.CommandLine.GetFlag("collector." + name); flag != nil {
			on[name] = slices.Equal(flag.Model().Default, []string{"true"})
		}
		if slices.Contains(e.Disable, name) {
			on[name] = false
		}
		if slices.Contains(e.Enable, name) {
			on[name] = true
		}
	}
	maps.DeleteFunc(on, func(_ string, on bool) bool { return !on })
	return slices.Sorted(maps.Keys(on))
}

// exporterSources makes the sources of a Host with an Exporter. If a collector cannot be made, it logs the
// error and continues with the others.
func exporterSources(o Options) ([]*source, error) {
	e := o.Exporter
	for _, dir := range []string{e.ProcPath, e.SysPath} {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("the host's metrics cannot be read: %w", err)
		}
	}
	handled := &atomic.Int64{}
	sources := []*source{
		{name: "build", updater: build{}},
		{name: "exporter", updater: ownMetrics{handled, e.IncludeExporterMetrics}},
	}
	for _, name := range e.runs() {
		c, err := makeCollector(name)
		if err != nil {
			o.Logger.Error("a collector of the host's metrics cannot be made, and is left out", "collector", name, "error", err)
			continue
		}
		sources = append(sources, &source{name: name, updater: measured{name, c}})
	}
	return sources, nil
}

// makeCollector makes a collector. Some of node_exporter's constructors panic on invalid settings, which
// makeCollector returns as an error.
func makeCollector(name string) (c collector.Collector, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it does not take its settings: %v", v)
		}
	}()
	return linked[name](slog.New(slog.DiscardHandler)) // the error contains what fails
}

// measured is a collector that also reports whether it succeeded, and how long it took.
type measured struct {
	name string
	collector.Collector
}

var (
	collectorDuration = prometheus.NewDesc("node_scrape_collector_duration_seconds", "node_exporter: Duration of a collector scrape.", []string{"collector"}, nil)
	collectorSuccess  = prometheus.NewDesc("node_scrape_collector_success", "node_exporter: Whether a collector succeeded.", []string{"collector"}, nil)
)

func (m measured) Update(ch chan<- prometheus.Metric) error {
	began := time.Now()
	err := m.Collector.Update(ch)
	success := 0.0
	if err == nil {
		success = 1
	}
	ch <- prometheus.MustNewConstMetric(collectorDuration, prometheus.GaugeValue, time.Since(began).Seconds(), m.name)
	ch <- prometheus.MustNewConstMetric(collectorSuccess, prometheus.GaugeValue, success, m.name)
	if collector.IsNoDataError(err) {
		return nil // this host has nothing of that kind
	}
	return err
}

// ownMetrics are the metrics of an exporter's page about itself, as on Alloy's page.
type ownMetrics struct {
	handled *atomic.Int64 // number of earlier pages
	all     bool
}

var (
	pageErrors   = prometheus.NewDesc("promhttp_metric_handler_errors_total", "Total number of internal errors encountered by the promhttp metric handler.", []string{"cause"}, nil)
	pageRequests = prometheus.NewDesc("promhttp_metric_handler_requests_total", "Total number of scrapes by HTTP status code.", []string{"code"}, nil)
	pageInFlight = prometheus.NewDesc("promhttp_metric_handler_requests_in_flight", "Current number of scrapes being served.", nil, nil)
)

func (m ownMetrics) Update(ch chan<- prometheus.Metric) error {
	before := m.handled.Add(1) - 1
	for _, cause := range []string{"encoding", "gathering"} {
		ch <- prometheus.MustNewConstMetric(pageErrors, prometheus.CounterValue, 0, cause)
	}
	if m.all {
		ch <- prometheus.MustNewConstMetric(pageInFlight, prometheus.GaugeValue, 1)
		for code, n := range map[string]int64{"200": before, "500": 0, "503": 0} {
			ch <- prometheus.MustNewConstMetric(pageRequests, prometheus.CounterValue, float64(n), code)
		}
	}
	return nil
}
