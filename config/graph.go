package config

import (
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/collector/scrape"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// The names in the environment's plan. Those of the endpoints are seen in metrics and status.
const (
	nodeDocker     = "docker"
	nodeStatic     = "static"
	nodeContainers = "containers"
	nodeLogs       = "logs"
	nodeMetrics    = "metrics"
	nodeLoki       = "loki"
	nodeProm       = "prometheus"
)

// Plan says what the settings amount to:
//
//	docker -> containers -> logs -> (log source) -> loki
//	          containers -> metrics -> (scrape) -> prometheus
//	          static     ------------> (scrape)
//
// With one backend only its half is there. With neither, both are and lead nowhere: the
// agent keeps the newest of them and shows it. docker is the Engine, or its data directory
// where the Engine shall not be asked.
func (s *Settings) Plan() *Plan {
	p := &Plan{
		Agent: Agent{
			Listen:      s.Listen,
			DataDir:     s.DataDir,
			BufferMax:   s.BufferMaxBytes,
			SelfMetrics: s.SelfMetrics,
			Environment: s.Environment,
			Host:        s.Host,
			LogLevel:    s.LogLevel,
			LogFormat:   s.LogFormat,
		},
		Relabels: []Relabel{containers(s.Include, s.Exclude)},
	}
	if s.LogSource == sourceFile {
		p.Files = append(p.Files, Files{Name: nodeDocker, Root: s.DockerRoot})
	} else {
		p.Docker = append(p.Docker, s.docker())
	}
	local := s.Loki.URL == "" && s.Prom.URL == ""
	if s.Loki.URL != "" || local {
		s.addLogs(p)
	}
	if s.Prom.URL != "" || local {
		s.addMetrics(p)
	}
	return p
}

func (s *Settings) docker() docker.Config {
	c := docker.DefaultConfig()
	c.Name = nodeDocker
	c.Host = s.DockerHost
	c.APIVersion = s.DockerAPIVersion
	c.CertPath = s.DockerCertPath
	c.TLSVerify = s.DockerTLSVerify
	c.Stopped = true
	c.Networks = docker.SharedNetwork
	return c
}

func (s *Settings) addLogs(p *Plan) {
	external := s.external()
	if s.Host != "" {
		external["host"] = s.Host
	}
	_, hostGiven := external["host"]
	source := LogSource{
		Name:         nodeLogs,
		From:         []string{nodeLogs},
		Rules:        streamRules(),
		Since:        s.LogsSince,
		MaxLineBytes: int(s.MaxLineBytes),
	}
	if s.LogSource != sourceFile {
		source.Docker = nodeDocker
	}
	if s.LogSource != sourceSocket {
		source.Root = s.DockerRoot
	}
	if s.Loki.URL != "" {
		c := loki.DefaultConfig()
		c.Name = nodeLoki
		c.URL = s.Loki.URL
		c.Tenant = s.Loki.Tenant
		c.ExternalLabels = labels.FromMap(external)
		s.Loki.authorize(&c.HTTP)
		p.Loki = append(p.Loki, c)
		source.To = []string{c.Name}
	}
	p.Relabels = append(p.Relabels, Relabel{
		Name:  nodeLogs,
		From:  []string{nodeContainers},
		Rules: logRules(!hostGiven, s.Hostname),
	})
	p.Logs = append(p.Logs, source)
}

func (s *Settings) addMetrics(p *Plan) {
	c := Scrape{Config: scrape.DefaultConfig(), From: []string{nodeMetrics}}
	c.Name = nodeMetrics
	c.Interval = s.ScrapeInterval
	c.Timeout = s.ScrapeTimeout
	c.Path = s.MetricsPath
	c.SampleLimit = s.SampleLimit
	c.BodyLimit = s.BodyLimitBytes
	c.NativeHistograms = s.NativeHistograms
	c.StartTimes = s.RemoteWrite == 2 && s.Prom.URL != ""
	if len(s.ScrapeTargets) > 0 {
		p.Static = append(p.Static, Static{Name: nodeStatic, Targets: s.ScrapeTargets})
		c.From = append(c.From, nodeStatic)
	}
	if s.Prom.URL != "" {
		r := remotewrite.DefaultConfig()
		r.Name = nodeProm
		r.URL = s.Prom.URL
		r.Version = s.RemoteWrite
		r.Tenant = s.Prom.Tenant
		r.ExternalLabels = labels.FromMap(s.external())
		s.Prom.authorize(&r.HTTP)
		p.Remote = append(p.Remote, r)
		c.To = []string{r.Name}
	}
	p.Relabels = append(p.Relabels, Relabel{
		Name:  nodeMetrics,
		From:  []string{nodeContainers},
		Rules: metricRules(),
	})
	p.Scrapes = append(p.Scrapes, c)
}

// external returns the labels of every stream and series, in a map of the caller's own.
func (s *Settings) external() map[string]string {
	all := s.ExternalLabels.Map()
	if s.Environment != "" {
		all["environment"] = s.Environment
	}
	return all
}

// authorize sets basic auth for a user, else a bearer token, else nothing.
func (b Backend) authorize(c *promconfig.HTTPClientConfig) {
	token := promconfig.Secret(b.Token.Reveal())
	switch {
	case b.User != "":
		c.BasicAuth = &promconfig.BasicAuth{Username: b.User, Password: token}
	case token != "":
		c.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: token}
	}
}
