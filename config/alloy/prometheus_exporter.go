package alloy

import (
	"slices"
	"time"

	"lighter/collector/containers"
	"lighter/collector/host"
	"lighter/config"
)

// ExporterSelf are the arguments of prometheus.exporter.self.
type ExporterSelf struct{}

var exporterSelf = kindOf(func(b *builder, _ *ExporterSelf) map[string]any {
	return b.page(config.Self{Job: "integrations/self"})
}, "targets")

// page adds a node that is itself a target, and returns the exports.
func (b *builder) page(args any) map[string]any {
	node := b.add(config.Node{Name: b.name(""), Args: args})
	return map[string]any{"targets": []Target{{Node: node}}}
}

// ExporterCAdvisor are the arguments of prometheus.exporter.cadvisor.
type ExporterCAdvisor struct {
	StoreContainerLabels       bool          `alloy:"store_container_labels,attr,optional"`
	AllowlistedContainerLabels []string      `alloy:"allowlisted_container_labels,attr,optional"`
	EnvMetadataAllowlist       []string      `alloy:"env_metadata_allowlist,attr,optional"`
	RawCgroupPrefixAllowlist   []string      `alloy:"raw_cgroup_prefix_allowlist,attr,optional"`
	PerfEventsConfig           string        `alloy:"perf_events_config,attr,optional"`
	ResctrlInterval            time.Duration `alloy:"resctrl_interval,attr,optional"`
	DisabledMetrics            []string      `alloy:"disabled_metrics,attr,optional"`
	EnabledMetrics             []string      `alloy:"enabled_metrics,attr,optional"`
	StorageDuration            time.Duration `alloy:"storage_duration,attr,optional"`
	ContainerdHost             string        `alloy:"containerd_host,attr,optional"`
	ContainerdNamespace        string        `alloy:"containerd_namespace,attr,optional"`
	DockerHost                 string        `alloy:"docker_host,attr,optional"`
	UseDockerTLS               bool          `alloy:"use_docker_tls,attr,optional"`
	DockerTLSCert              string        `alloy:"docker_tls_cert,attr,optional"`
	DockerTLSKey               string        `alloy:"docker_tls_key,attr,optional"`
	DockerTLSCA                string        `alloy:"docker_tls_ca,attr,optional"`
	DockerOnly                 bool          `alloy:"docker_only,attr,optional"`
	DisableRootCgroupStats     bool          `alloy:"disable_root_cgroup_stats,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *ExporterCAdvisor) SetToDefault() {
	*a = ExporterCAdvisor{
		StoreContainerLabels: true,
		StorageDuration:      2 * time.Minute,
		DockerHost:           "unix:///var/run/docker.sock",
	}
}

// Validate reports an address that is not that of an Engine.
func (a *ExporterCAdvisor) Validate() error { return checkDockerHost("docker_host", a.DockerHost) }

// lookInterval is the interval at which a container is measured.
const lookInterval = 15 * time.Second

var exporterCAdvisor = kindOf(func(b *builder, a *ExporterCAdvisor) map[string]any {
	if a.UseDockerTLS {
		b.fail(b.place("use_docker_tls"), "connect to the Engine through its socket, or through a proxy", "lighter measures containers only through an Engine that it reaches without TLS")
	}
	c := config.ContainerMetrics{
		Interval: lookInterval,
		DataRoot: b.l.DockerRoot,
		CAdvisor: &config.CAdvisor{
			ContainerLabels: a.StoreContainerLabels,
			Enabled:         a.EnabledMetrics,
			Disabled:        a.DisabledMetrics,
		},
	}
	for _, name := range a.AllowlistedContainerLabels {
		if name != "" { // Alloy has an empty name in an empty list
			c.CAdvisor.LabelAllowlist = append(c.CAdvisor.LabelAllowlist, name)
		}
	}
	kinds := containers.CAdvisor{Enabled: a.EnabledMetrics}
	if without := kinds.Without(); len(without) > 0 && kinds.Check() == nil {
		b.warn(b.place("enabled_metrics"), "", "lighter has no metrics of %s", list(without))
	}
	exports := b.page(c)
	node := b.entry.component.Nodes[0]
	b.l.finish = append(b.l.finish, func() { // when all other Engines of the plan are known
		engine := b.engineNode(b.engine(a.DockerHost, clientOf(nil), b.block()), true)
		i := slices.IndexFunc(b.l.plan.Nodes, func(n config.Node) bool { return n.Name == node })
		c.Engine = engine
		b.l.plan.Nodes[i].Args = c
		b.l.plan.Nodes[i].From = []string{engine}
	})
	return exports
}, "targets").without(map[string]string{
	"env_metadata_allowlist":      "the environment variables of containers are not read",
	"raw_cgroup_prefix_allowlist": "only the Engine's containers are measured, not other cgroups",
	"perf_events_config":          "lighter does not collect perf events",
	"resctrl_interval":            "lighter does not collect resctrl metrics",
	"storage_duration":            "no history of a container is kept in memory",
	"containerd_host":             "only the Engine's containers are measured",
	"containerd_namespace":        "only the Engine's containers are measured",
	"docker_tls_cert":             "it is used only with use_docker_tls",
	"docker_tls_key":              "it is used only with use_docker_tls",
	"docker_tls_ca":               "it is used only with use_docker_tls",
	"disable_root_cgroup_stats":   "only the Engine's containers are measured, not other cgroups",
}).but(map[string]string{
	"enabled_metrics": "a kind that lighter has no metrics of causes a warning",
	"use_docker_tls":  "refused unless it is false; connect to the Engine through its socket, or through a proxy",
})

// ExporterUnix are the arguments of prometheus.exporter.unix.
type ExporterUnix struct {
	IncludeExporterMetrics bool     `alloy:"include_exporter_metrics,attr,optional"`
	ProcFSPath             string   `alloy:"procfs_path,attr,optional"`
	SysFSPath              string   `alloy:"sysfs_path,attr,optional"`
	RootFSPath             string   `alloy:"rootfs_path,attr,optional"`
	UdevDataPath           string   `alloy:"udev_data_path,attr,optional"`
	EnableCollectors       []string `alloy:"enable_collectors,attr,optional"`
	DisableCollectors      []string `alloy:"disable_collectors,attr,optional"`
	SetCollectors          []string `alloy:"set_collectors,attr,optional"`

	ARP         UnixARP         `alloy:"arp,block,optional"`
	BCache      UnixBCache      `alloy:"bcache,block,optional"`
	CPU         UnixCPU         `alloy:"cpu,block,optional"`
	Disk        UnixDevices     `alloy:"disk,block,optional"`
	Ethtool     UnixEthtool     `alloy:"ethtool,block,optional"`
	Filesystem  UnixFilesystem  `alloy:"filesystem,block,optional"`
	HWMon       UnixHWMon       `alloy:"hwmon,block,optional"`
	IPVS        UnixIPVS        `alloy:"ipvs,block,optional"`
	NTP         UnixNTP         `alloy:"ntp,block,optional"`
	Netclass    UnixNetclass    `alloy:"netclass,block,optional"`
	Netdev      UnixNetdev      `alloy:"netdev,block,optional"`
	Netstat     UnixNetstat     `alloy:"netstat,block,optional"`
	Perf        UnixPerf        `alloy:"perf,block,optional"`
	Powersupply UnixPowersupply `alloy:"powersupply,block,optional"`
	Runit       UnixRunit       `alloy:"runit,block,optional"`
	Supervisord UnixSupervisord `alloy:"supervisord,block,optional"`
	Sysctl      UnixSysctl      `alloy:"sysctl,block,optional"`
	Systemd     UnixSystemd     `alloy:"systemd,block,optional"`
	Tapestats   UnixTapestats   `alloy:"tapestats,block,optional"`
	Textfile    UnixTextfile    `alloy:"textfile,block,optional"`
	VMStat      UnixVMStat      `alloy:"vmstat,block,optional"`
}

// The blocks of prometheus.exporter.unix, each of one collector.
type (
	// UnixARP is an arp block.
	UnixARP struct {
		DeviceExclude string `alloy:"device_exclude,attr,optional"`
		DeviceInclude string `alloy:"device_include,attr,optional"`
		Netlink       bool   `alloy:"netlink,attr,optional"`
	}
	// UnixBCache is a bcache block.
	UnixBCache struct {
		PriorityStats bool `alloy:"priority_stats,attr,optional"`
	}
	// UnixCPU is a cpu block.
	UnixCPU struct {
		BugsInclude  string `alloy:"bugs_include,attr,optional"`
		Guest        bool   `alloy:"guest,attr,optional"`
		Info         bool   `alloy:"info,attr,optional"`
		FlagsInclude string `alloy:"flags_include,attr,optional"`
	}
	// UnixDevices is a disk block.
	UnixDevices struct {
		DeviceExclude string `alloy:"device_exclude,attr,optional"`
		DeviceInclude string `alloy:"device_include,attr,optional"`
	}
	// UnixEthtool is an ethtool block.
	UnixEthtool struct {
		DeviceExclude  string `alloy:"device_exclude,attr,optional"`
		DeviceInclude  string `alloy:"device_include,attr,optional"`
		MetricsInclude string `alloy:"metrics_include,attr,optional"`
	}
	// UnixFilesystem is a filesystem block.
	UnixFilesystem struct {
		FSTypesExclude     string        `alloy:"fs_types_exclude,attr,optional"`
		MountPointsExclude string        `alloy:"mount_points_exclude,attr,optional"`
		MountTimeout       time.Duration `alloy:"mount_timeout,attr,optional"`
	}
	// UnixHWMon is a hwmon block.
	UnixHWMon struct {
		ChipExclude string `alloy:"chip_exclude,attr,optional"`
		ChipInclude string `alloy:"chip_include,attr,optional"`
	}
	// UnixIPVS is an ipvs block.
	UnixIPVS struct {
		BackendLabels []string `alloy:"backend_labels,attr,optional"`
	}
	// UnixNTP is a ntp block.
	UnixNTP struct {
		IPTTL                int           `alloy:"ip_ttl,attr,optional"`
		LocalOffsetTolerance time.Duration `alloy:"local_offset_tolerance,attr,optional"`
		MaxDistance          time.Duration `alloy:"max_distance,attr,optional"`
		ProtocolVersion      int           `alloy:"protocol_version,attr,optional"`
		Server               string        `alloy:"server,attr,optional"`
		ServerIsLocal        bool          `alloy:"server_is_local,attr,optional"`
	}
	// UnixNetclass is a netclass block.
	UnixNetclass struct {
		IgnoreInvalidSpeedDevice bool   `alloy:"ignore_invalid_speed_device,attr,optional"`
		IgnoredDevices           string `alloy:"ignored_devices,attr,optional"`
	}
	// UnixNetdev is a netdev block.
	UnixNetdev struct {
		AddressInfo   bool   `alloy:"address_info,attr,optional"`
		DeviceExclude string `alloy:"device_exclude,attr,optional"`
		DeviceInclude string `alloy:"device_include,attr,optional"`
	}
	// UnixNetstat is a netstat block.
	UnixNetstat struct {
		Fields string `alloy:"fields,attr,optional"`
	}
	// UnixPerf is a perf block.
	UnixPerf struct {
		CPUs                     string   `alloy:"cpus,attr,optional"`
		Tracepoint               []string `alloy:"tracepoint,attr,optional"`
		DisableHardwareProfilers bool     `alloy:"disable_hardware_profilers,attr,optional"`
		DisableSoftwareProfilers bool     `alloy:"disable_software_profilers,attr,optional"`
		DisableCacheProfilers    bool     `alloy:"disable_cache_profilers,attr,optional"`
		HardwareProfilers        []string `alloy:"hardware_profilers,attr,optional"`
		SoftwareProfilers        []string `alloy:"software_profilers,attr,optional"`
		CacheProfilers           []string `alloy:"cache_profilers,attr,optional"`
	}
	// UnixPowersupply is a powersupply block.
	UnixPowersupply struct {
		IgnoredSupplies string `alloy:"ignored_supplies,attr,optional"`
	}
	// UnixRunit is a runit block.
	UnixRunit struct {
		ServiceDir string `alloy:"service_dir,attr,optional"`
	}
	// UnixSupervisord is a supervisord block.
	UnixSupervisord struct {
		URL string `alloy:"url,attr,optional"`
	}
	// UnixSysctl is a sysctl block.
	UnixSysctl struct {
		Include     []string `alloy:"include,attr,optional"`
		IncludeInfo []string `alloy:"include_info,attr,optional"`
	}
	// UnixSystemd is a systemd block.
	UnixSystemd struct {
		EnableRestarts bool   `alloy:"enable_restarts,attr,optional"`
		StartTime      bool   `alloy:"start_time,attr,optional"`
		TaskMetrics    bool   `alloy:"task_metrics,attr,optional"`
		UnitExclude    string `alloy:"unit_exclude,attr,optional"`
		UnitInclude    string `alloy:"unit_include,attr,optional"`
	}
	// UnixTapestats is a tapestats block.
	UnixTapestats struct {
		IgnoredDevices string `alloy:"ignored_devices,attr,optional"`
	}
	// UnixTextfile is a textfile block.
	UnixTextfile struct {
		Directory string `alloy:"directory,attr,optional"`
	}
	// UnixVMStat is a vmstat block.
	UnixVMStat struct {
		Fields string `alloy:"fields,attr,optional"`
	}
)

// SetToDefault sets Alloy's defaults. As in Alloy, a block has no defaults of its own: arguments that it does not
// set keep the defaults that are set here.
func (a *ExporterUnix) SetToDefault() {
	d := host.DefaultExporter()
	*a = ExporterUnix{
		ProcFSPath:   d.ProcPath,
		SysFSPath:    d.SysPath,
		RootFSPath:   d.RootPath,
		UdevDataPath: d.UdevDataPath,
		Disk:         UnixDevices{DeviceExclude: d.Disk.Exclude},
		Ethtool:      UnixEthtool{MetricsInclude: d.Ethtool.MetricsInclude},
		Filesystem: UnixFilesystem{
			FSTypesExclude:     d.Filesystem.FSTypesExclude,
			MountPointsExclude: d.Filesystem.MountPointsExclude,
			MountTimeout:       d.Filesystem.MountTimeout,
		},
		NTP: UnixNTP{
			IPTTL:                d.NTP.IPTTL,
			LocalOffsetTolerance: d.NTP.LocalOffsetTolerance,
			MaxDistance:          d.NTP.MaxDistance,
			ProtocolVersion:      d.NTP.ProtocolVersion,
			Server:               d.NTP.Server,
		},
		Netclass:    UnixNetclass{IgnoredDevices: d.Netclass.IgnoredDevices},
		Netstat:     UnixNetstat{Fields: d.Netstat.Fields},
		Powersupply: UnixPowersupply{IgnoredSupplies: d.Powersupply.IgnoredSupplies},
		Runit:       UnixRunit{ServiceDir: d.Runit.ServiceDir},
		Supervisord: UnixSupervisord{URL: d.Supervisord.URL},
		Systemd:     UnixSystemd{UnitExclude: d.Systemd.UnitExclude, UnitInclude: d.Systemd.UnitInclude},
		Tapestats:   UnixTapestats{IgnoredDevices: d.Tapestats.IgnoredDevices},
		VMStat:      UnixVMStat{Fields: d.VMStat.Fields},
	}
}

var exporterUnix = kindOf(func(b *builder, a *ExporterUnix) map[string]any {
	exporter := &host.Exporter{
		ProcPath:               a.ProcFSPath,
		SysPath:                a.SysFSPath,
		RootPath:               a.RootFSPath,
		UdevDataPath:           a.UdevDataPath,
		Set:                    a.SetCollectors,
		Disable:                a.DisableCollectors,
		Enable:                 a.EnableCollectors,
		IncludeExporterMetrics: a.IncludeExporterMetrics,
		ARP:                    host.ARP{Devices: host.Devices{Exclude: a.ARP.DeviceExclude, Include: a.ARP.DeviceInclude}, Netlink: a.ARP.Netlink},
		BCache:                 host.BCache(a.BCache),
		CPU:                    host.CPU{BugsInclude: a.CPU.BugsInclude, FlagsInclude: a.CPU.FlagsInclude, Guest: a.CPU.Guest, Info: a.CPU.Info},
		Disk:                   host.Devices{Exclude: a.Disk.DeviceExclude, Include: a.Disk.DeviceInclude},
		Ethtool:                host.Ethtool{Devices: host.Devices{Exclude: a.Ethtool.DeviceExclude, Include: a.Ethtool.DeviceInclude}, MetricsInclude: a.Ethtool.MetricsInclude},
		Filesystem:             host.Filesystem(a.Filesystem),
		HWMon:                  host.HWMon(a.HWMon),
		IPVS:                   host.IPVS(a.IPVS),
		NTP:                    host.NTP(a.NTP),
		Netclass:               host.Netclass{IgnoreInvalidSpeed: a.Netclass.IgnoreInvalidSpeedDevice, IgnoredDevices: a.Netclass.IgnoredDevices},
		Netdev:                 host.Netdev{Devices: host.Devices{Exclude: a.Netdev.DeviceExclude, Include: a.Netdev.DeviceInclude}, AddressInfo: a.Netdev.AddressInfo},
		Netstat:                host.Netstat(a.Netstat),
		Perf:                   host.Perf(a.Perf),
		Powersupply:            host.Powersupply(a.Powersupply),
		Runit:                  host.Runit(a.Runit),
		Supervisord:            host.Supervisord(a.Supervisord),
		Sysctl:                 host.Sysctl(a.Sysctl),
		Systemd: host.Systemd{
			Restarts:    a.Systemd.EnableRestarts,
			StartTime:   a.Systemd.StartTime,
			Tasks:       a.Systemd.TaskMetrics,
			UnitExclude: a.Systemd.UnitExclude,
			UnitInclude: a.Systemd.UnitInclude,
		},
		Tapestats: host.Tapestats(a.Tapestats),
		Textfile:  host.Textfile(a.Textfile),
		VMStat:    host.VMStat(a.VMStat),
	}
	for _, of := range []struct {
		argument string
		names    []string
	}{{"set_collectors", a.SetCollectors}, {"enable_collectors", a.EnableCollectors}, {"disable_collectors", a.DisableCollectors}} {
		one := host.Exporter{Set: of.names}
		if unknown := one.Unknown(); len(unknown) > 0 {
			b.warn(b.place(of.argument), "", "lighter has no collector %s, which is left out", list(unknown))
		}
	}
	return b.page(config.HostMetrics{Unix: exporter})
}, "targets").but(map[string]string{
	"set_collectors":     "a collector that lighter does not have causes a warning",
	"enable_collectors":  "a collector that lighter does not have causes a warning",
	"disable_collectors": "a collector that lighter does not have causes a warning",
})
