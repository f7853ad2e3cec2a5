package env

import (
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/scrape"
	"lighter/config"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// Names of nodes in the environment's plan. Metrics and status show those of the endpoints.
const (
	nodeDocker        = "docker"
	nodeStatic        = "static"
	nodeContainers    = "containers"
	nodeLogLabels     = "log_labels"
	nodeLogs          = "logs"
	nodeStages        = "log_stages"
	nodeMetrics       = "metrics"
	nodeScrape        = "scrape"
	nodeSelf          = "lighter"
	nodeSelfScrape    = "self_metrics"
	nodeCounted       = "log_metrics"
	nodeCountedScrape = "log_metrics_scrape"
	nodeUsageLabels   = "container_metrics_labels"
	nodeUsage         = "container_metrics"
	nodeUsageScrape   = "container_metrics_scrape"
	nodeHost          = "host_metrics"
	nodeHostScrape    = "host_metrics_scrape"
	nodeLoki          = "loki"
	nodeProm          = "prometheus"
	nodeRecent        = "recent"
)

// Plan returns the plan for the settings:
//
//	docker -> containers -> log_labels -> logs -> log_stages -> loki
//	          containers -> metrics    -> scrape -> prometheus
//	          static     ------------->
//	          containers -> container_metrics_labels -> container_metrics -> container_metrics_scrape -> prometheus
//	          host_metrics, log_metrics, lighter, each with a scrape of its own -> prometheus
//
// With one backend, the plan contains only that half. With neither, logs and scrape lead to recent, where
// the agent keeps the newest of both and shows them. docker is the Engine, or its data directory if the
// settings say not to use the Engine.
func (s *Settings) Plan() *config.Plan {
	p := &config.Plan{Agent: config.Agent{
		Listen:      s.Listen,
		DataDir:     s.DataDir,
		BufferMax:   s.BufferMaxBytes,
		Environment: s.Environment,
		Host:        s.Host,
		LogLevel:    s.LogLevel,
		LogFormat:   s.LogFormat,
		Auth:        s.ServerAuth(),
		TLS:         s.ServerTLS(),

		BudgetLogs:   s.BudgetLogs,
		BudgetSeries: s.BudgetSeries,
	}}
	if s.LogSource == sourceFile {
		add(p, config.Node{Name: nodeDocker, Args: config.Files{Root: s.DockerRoot}})
	} else {
		add(p, config.Node{Name: nodeDocker, Args: s.docker()})
	}
	add(p, config.Node{Name: nodeContainers, From: []string{nodeDocker}, Args: containers(s.Include, s.Exclude)})
	local := s.Loki.URL == "" && s.Prom.URL == ""
	if s.Loki.URL != "" || local {
		s.addLogs(p)
	}
	if s.Prom.URL != "" || local {
		s.addMetrics(p)
	}
	if local {
		add(p, config.Node{Name: nodeRecent, Args: config.Recent{StreamLabels: labels.FromMap(s.streamLabels()), SeriesLabels: labels.FromMap(s.external())}})
	}
	return p
}

func add(p *config.Plan, n config.Node) { p.Nodes = append(p.Nodes, n) }

func (s *Settings) docker() docker.Config {
	c := docker.DefaultConfig()
	c.Name = nodeDocker
	c.Host = s.DockerHost
	c.APIVersion = s.DockerAPIVersion
	c.CertPath = s.DockerCertPath
	c.TLSVerify = s.DockerTLSVerify
	c.Stopped = true
	c.Networks = docker.SharedNetwork
	c.HostNameSet = s.Host != ""
	return c
}

func (s *Settings) addLogs(p *config.Plan) {
	external := s.streamLabels()
	source := config.LogSource{
		Rules:        streamRules(),
		Since:        s.LogsSince,
		MaxLineBytes: int(s.MaxLineBytes),
		Events:       s.ContainerMetrics,
	}
	if s.LogSource != sourceFile {
		source.Engine = nodeDocker
	}
	if s.LogSource != sourceSocket {
		source.Root = s.DockerRoot
	}
	to := nodeRecent
	if s.Loki.URL != "" {
		to = nodeLoki
	}
	add(p, config.Node{Name: nodeLogLabels, From: []string{nodeContainers}, Args: config.Relabel{Rules: logRules(external["host"], s.Hostname, external)}})
	add(p, config.Node{Name: nodeLogs, From: []string{nodeLogLabels}, To: []string{nodeStages}, Args: source})
	add(p, config.Node{Name: nodeStages, To: []string{to}, Args: s.stages()})
	if s.Loki.URL == "" {
		return
	}
	c := loki.DefaultConfig()
	c.Name = nodeLoki
	c.URL = s.Loki.URL
	c.Tenant = s.Loki.Tenant
	c.Proxy = s.Proxies.of(s.Loki)
	c.ExternalLabels = labels.FromMap(external)
	s.Loki.authorize(&c.HTTP)
	add(p, config.Node{Name: nodeLoki, Args: c})
}

// startTimes reports whether the endpoint accepts start timestamps.
func (s *Settings) startTimes() bool { return s.RemoteWrite == 2 && s.Prom.URL != "" }

func (s *Settings) addMetrics(p *config.Plan) {
	c := scrape.DefaultConfig()
	c.Name = nodeScrape
	c.Interval = s.ScrapeInterval
	c.Timeout = s.ScrapeTimeout
	c.Path = s.MetricsPath
	c.SampleLimit = s.SampleLimit
	c.BodyLimit = s.BodyLimitBytes
	c.NativeHistograms = s.NativeHistograms
	c.StartTimes = s.startTimes()
	from := []string{nodeMetrics}
	if len(s.ScrapeTargets) > 0 {
		add(p, config.Node{Name: nodeStatic, Args: config.Static{Targets: s.ScrapeTargets}})
		from = append(from, nodeStatic)
	}
	to := nodeRecent
	if s.Prom.URL != "" {
		to = nodeProm
	}
	add(p, config.Node{Name: nodeMetrics, From: []string{nodeContainers}, Args: config.Relabel{Rules: metricRules()}})
	add(p, config.Node{Name: nodeScrape, From: from, To: []string{to}, Args: c})
	s.addPages(p, to)
	if s.Prom.URL == "" {
		return
	}
	r := remotewrite.DefaultConfig()
	r.Name = nodeProm
	r.URL = s.Prom.URL
	r.Version = s.RemoteWrite
	r.Tenant = s.Prom.Tenant
	r.Proxy = s.Proxies.of(s.Prom)
	r.ExternalLabels = labels.FromMap(s.external())
	s.Prom.authorize(&r.HTTP)
	add(p, config.Node{Name: nodeProm, Args: r})
}

// addPages adds the pages of metrics that the agent itself produces, each with its scrape.
func (s *Settings) addPages(p *config.Plan, to string) {
	page := func(name string, interval time.Duration, n config.Node) {
		c := scrape.DefaultConfig()
		c.Name, c.Interval = name, interval
		c.StartTimes = s.startTimes()
		c.Timeout = min(c.Timeout, interval)
		add(p, n)
		add(p, config.Node{Name: name, From: []string{n.Name}, To: []string{to}, Args: c})
	}
	if s.ContainerMetrics && s.LogSource != sourceFile {
		add(p, config.Node{Name: nodeUsageLabels, From: []string{nodeContainers}, Args: config.Relabel{Rules: usageRules()}})
		page(nodeUsageScrape, s.ResourceInterval, config.Node{Name: nodeUsage, From: []string{nodeUsageLabels}, Args: config.ContainerMetrics{Engine: nodeDocker, Interval: s.ResourceInterval, DataRoot: s.DockerRoot}})
	}
	if s.HostMetrics {
		page(nodeHostScrape, s.ResourceInterval, config.Node{Name: nodeHost, Args: config.HostMetrics{Root: s.HostRoot}})
	}
	if config.Has[config.Stages](p) {
		page(nodeCountedScrape, s.ScrapeInterval, config.Node{Name: nodeCounted, Args: config.LogMetricsPage{}})
	}
	if s.SelfMetrics && s.Prom.URL != "" {
		page(nodeSelfScrape, scrape.DefaultConfig().Interval, config.Node{Name: nodeSelf, Args: config.Self{}})
	}
}

// stages returns the stages for the lines of every log. Lines that belong together are joined first, so
// that later stages see complete entries. Unwanted entries are dropped before anything is made from them.
func (s *Settings) stages() config.Stages {
	return config.Stages{List: []any{
		config.Multiline{Off: s.Multiline == multilineOff, Pattern: s.firstLine(), Label: metaMultiline},
		config.Drop{Rules: s.Drop, Label: metaDrop},
		config.Redact{Off: !s.Redact, Label: metaRedact},
		config.Fields{Fields: s.Fields, Label: metaFields},
		config.LogMetrics{Declarations: s.LogMetrics, Series: s.LogMetricsSeries, Label: metaLogMetrics},
	}}
}

// streamLabels returns the labels of every stream, in a new map.
func (s *Settings) streamLabels() map[string]string {
	all := s.external()
	if s.Host != "" {
		all["host"] = s.Host
	}
	return all
}

// external returns the labels of every stream and series, in a new map.
func (s *Settings) external() map[string]string {
	all := s.ExternalLabels.Map()
	if s.Environment != "" {
		all["environment"] = s.Environment
	}
	return all
}

// authorize sets basic auth if there is a user, and otherwise a bearer token, if any.
func (b Backend) authorize(c *promconfig.HTTPClientConfig) {
	token := promconfig.Secret(b.Token.Reveal())
	switch {
	case b.User != "":
		c.BasicAuth = &promconfig.BasicAuth{Username: b.User, Password: token}
	case token != "":
		c.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: token}
	}
}
