package alloy

// components are the kinds of components that the agent has.
func components() map[string]kind { return componentKinds }

// configBlocks are the blocks that configure the agent.
func configBlocks() map[string]kind { return blockKinds }

var componentKinds = map[string]kind{
	"discovery.docker":             discoveryDocker,
	"discovery.dns":                discoveryDNS,
	"discovery.file":               discoveryFile,
	"discovery.http":               discoveryHTTP,
	"discovery.relabel":            discoveryRelabel,
	"lighter.container_logs":       lighterContainerLogs,
	"lighter.container_metrics":    lighterContainerMetrics,
	"lighter.docker":               lighterDocker,
	"lighter.docker_files":         lighterDockerFiles,
	"lighter.host_metrics":         lighterHostMetrics,
	"lighter.log_metrics":          lighterLogMetrics,
	"lighter.process":              lighterProcess,
	"lighter.recent":               lighterRecent,
	"lighter.self_metrics":         lighterSelfMetrics,
	"local.file":                   localFile,
	"local.file_match":             localFileMatch,
	"loki.echo":                    lokiEcho,
	"loki.process":                 lokiProcess,
	"loki.relabel":                 lokiRelabel,
	"loki.secretfilter":            lokiSecretFilter,
	"loki.source.api":              lokiSourceAPI,
	"loki.source.docker":           lokiSourceDocker,
	"loki.source.file":             lokiSourceFile,
	"loki.source.journal":          lokiSourceJournal,
	"loki.source.syslog":           lokiSourceSyslog,
	"loki.write":                   lokiWrite,
	"prometheus.exporter.cadvisor": exporterCAdvisor,
	"prometheus.exporter.self":     exporterSelf,
	"prometheus.exporter.unix":     exporterUnix,
	"prometheus.relabel":           prometheusRelabel,
	"prometheus.remote_write":      prometheusRemoteWrite,
	"prometheus.scrape":            prometheusScrape,
	"remote.http":                  remoteHTTP,
}

var blockKinds = map[string]kind{
	"http":          httpServer,
	"livedebugging": liveDebugging,
	"logging":       logging,
	"tracing":       tracing,
}
