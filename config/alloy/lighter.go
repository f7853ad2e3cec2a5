package alloy

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
	"lighter/discovery/docker"
)

// Print writes components whose names begin with lighter for nodes that Alloy has no component for. They can
// also be used in a file that a person writes.

// LighterDocker are the arguments of lighter.docker, which finds all containers of an Engine, stopped ones too,
// with their addresses on the network that they share with the agent.
type LighterDocker struct {
	Host       string `alloy:"host,attr"`
	APIVersion string `alloy:"api_version,attr,optional"`
	CertPath   string `alloy:"cert_path,attr,optional"`
	TLSVerify  bool   `alloy:"tls_verify,attr,optional"`
}

var lighterDocker = kindOf(func(b *builder, a *LighterDocker) map[string]any {
	c := docker.DefaultConfig()
	c.Name = b.entry.component.ID
	c.Host = a.Host
	c.APIVersion = a.APIVersion
	c.CertPath = a.CertPath
	c.TLSVerify = a.TLSVerify
	c.Stopped = true
	c.Networks = docker.SharedNetwork
	c.HostNameSet = b.l.Agent.Host != ""
	return b.page(c)
}, "targets")

// LighterDockerFiles are the arguments of lighter.docker_files, which finds the containers in the data directory
// of an Engine without asking the Engine.
type LighterDockerFiles struct {
	Root string `alloy:"root,attr"`
}

var lighterDockerFiles = kindOf(func(b *builder, a *LighterDockerFiles) map[string]any {
	return b.page(config.Files{Root: a.Root})
}, "targets")

// NoArguments are the arguments of a component that has none.
type NoArguments struct{}

var lighterSelfMetrics = kindOf(func(b *builder, _ *NoArguments) map[string]any { return b.page(config.Self{}) }, "targets")

var lighterLogMetrics = kindOf(func(b *builder, _ *NoArguments) map[string]any { return b.page(config.LogMetricsPage{}) }, "targets")

// LighterHostMetrics are the arguments of lighter.host_metrics.
type LighterHostMetrics struct {
	Root string `alloy:"root,attr"`
}

var lighterHostMetrics = kindOf(func(b *builder, a *LighterHostMetrics) map[string]any {
	return b.page(config.HostMetrics{Root: a.Root})
}, "targets")

// LighterContainerMetrics are the arguments of lighter.container_metrics.
type LighterContainerMetrics struct {
	Targets  []Target      `alloy:"targets,attr"`
	Engine   []Target      `alloy:"engine,attr"`
	Interval time.Duration `alloy:"interval,attr,optional"`
	DataRoot string        `alloy:"data_root,attr,optional"`
}

// SetToDefault sets the default of the interval.
func (a *LighterContainerMetrics) SetToDefault() { *a = LighterContainerMetrics{Interval: time.Minute} }

var lighterContainerMetrics = kindOf(func(b *builder, a *LighterContainerMetrics) map[string]any {
	node := b.add(config.Node{Name: b.name(""), From: b.from(a.Targets), Args: config.ContainerMetrics{
		Engine:   engineOf(a.Engine),
		Interval: a.Interval,
		DataRoot: a.DataRoot,
	}})
	return map[string]any{"targets": []Target{{Node: node}}}
}, "targets")

// engineOf returns the node of an Engine from its targets.
func engineOf(targets []Target) string {
	for _, t := range targets {
		if t.Node != "" {
			return t.Node
		}
	}
	return ""
}

// LighterContainerLogs are the arguments of lighter.container_logs.
type LighterContainerLogs struct {
	Targets      []Target       `alloy:"targets,attr"`
	ForwardTo    []LogsReceiver `alloy:"forward_to,attr"`
	Engine       []Target       `alloy:"engine,attr,optional"`
	Root         string         `alloy:"root,attr,optional"`
	Since        time.Duration  `alloy:"since,attr,optional"`
	MaxLineBytes int            `alloy:"max_line_bytes,attr,optional"`
	Events       bool           `alloy:"events,attr,optional"`
	Rules        []*Rule        `alloy:"rule,block,optional"`
}

// SetToDefault sets the defaults of LIGHTER_LOGS_SINCE and LIGHTER_MAX_LINE.
func (a *LighterContainerLogs) SetToDefault() {
	*a = LighterContainerLogs{Since: 24 * time.Hour, MaxLineBytes: 256 << 10}
}

var lighterContainerLogs = kindOf(func(b *builder, a *LighterContainerLogs) map[string]any {
	b.add(config.Node{Name: b.name(""), From: b.from(a.Targets), To: logNodes(a.ForwardTo), Args: config.LogSource{
		Rules:        relabelRules(a.Rules),
		Since:        a.Since,
		MaxLineBytes: a.MaxLineBytes,
		Events:       a.Events,
		Engine:       engineOf(a.Engine),
		Root:         a.Root,
	}})
	return nil
})

// LighterProcess are the arguments of lighter.process: the stages that the environment can configure.
type LighterProcess struct {
	ForwardTo []LogsReceiver `alloy:"forward_to,attr"`
	Stages    []LighterStage `alloy:"stage,enum,optional"`
}

// LighterStage is one stage of lighter.process.
type LighterStage struct {
	Multiline  *LighterMultiline  `alloy:"multiline,block,optional"`
	Drop       *LighterDrop       `alloy:"drop,block,optional"`
	Redact     *LighterRedact     `alloy:"redact,block,optional"`
	Fields     *LighterFields     `alloy:"fields,block,optional"`
	LogMetrics *LighterLogMetrics `alloy:"log_metrics,block,optional"`
}

// The stages of lighter.process. ContainerLabel is the name of the target's label with which a container
// overrides the setting for its own log.
type (
	// LighterMultiline is stage.multiline.
	LighterMultiline struct {
		Enabled        bool   `alloy:"enabled,attr,optional"`
		FirstLine      string `alloy:"firstline,attr,optional"`
		ContainerLabel string `alloy:"container_label,attr,optional"`
	}
	// LighterDrop is stage.drop.
	LighterDrop struct {
		Rules          string `alloy:"rules,attr,optional"`
		ContainerLabel string `alloy:"container_label,attr,optional"`
	}
	// LighterRedact is stage.redact.
	LighterRedact struct {
		Enabled        bool   `alloy:"enabled,attr,optional"`
		ContainerLabel string `alloy:"container_label,attr,optional"`
	}
	// LighterFields is stage.fields.
	LighterFields struct {
		Fields         string `alloy:"fields,attr,optional"`
		ContainerLabel string `alloy:"container_label,attr,optional"`
	}
	// LighterLogMetrics is stage.log_metrics.
	LighterLogMetrics struct {
		Declarations   string `alloy:"declarations,attr,optional"`
		Series         int    `alloy:"series,attr,optional"`
		ContainerLabel string `alloy:"container_label,attr,optional"`
	}
)

// SetToDefault sets the defaults of LIGHTER_MULTILINE.
func (s *LighterMultiline) SetToDefault() { *s = LighterMultiline{Enabled: true} }

// SetToDefault sets the default of LIGHTER_REDACT.
func (s *LighterRedact) SetToDefault() { *s = LighterRedact{Enabled: true} }

// SetToDefault sets the default of LIGHTER_LOG_METRICS_SERIES.
func (s *LighterLogMetrics) SetToDefault() { *s = LighterLogMetrics{Series: 500} }

var lighterProcess = kindOf(func(b *builder, a *LighterProcess) map[string]any {
	var list []any
	for _, s := range a.Stages {
		switch {
		case s.Multiline != nil:
			list = append(list, config.Multiline{Off: !s.Multiline.Enabled, Pattern: s.Multiline.FirstLine, Label: s.Multiline.ContainerLabel})
		case s.Drop != nil:
			list = append(list, config.Drop{Rules: s.Drop.Rules, Label: s.Drop.ContainerLabel})
		case s.Redact != nil:
			list = append(list, config.Redact{Off: !s.Redact.Enabled, Label: s.Redact.ContainerLabel})
		case s.Fields != nil:
			list = append(list, config.Fields{Fields: s.Fields.Fields, Label: s.Fields.ContainerLabel})
		case s.LogMetrics != nil:
			list = append(list, config.LogMetrics{Declarations: s.LogMetrics.Declarations, Series: s.LogMetrics.Series, Label: s.LogMetrics.ContainerLabel})
		}
	}
	node := b.add(config.Node{Name: b.name(""), To: logNodes(a.ForwardTo), Args: config.Stages{List: list}})
	return map[string]any{"receiver": LogsReceiver{Component: b.entry.component.ID, Nodes: []string{node}}}
}, "receiver")

// LighterRecent are the arguments of lighter.recent, which keeps the newest lines and samples in memory for
// the status page.
type LighterRecent struct {
	StreamLabels map[string]string `alloy:"stream_labels,attr,optional"`
	SeriesLabels map[string]string `alloy:"series_labels,attr,optional"`
}

var lighterRecent = kindOf(func(b *builder, a *LighterRecent) map[string]any {
	node := b.add(config.Node{Name: b.name(""), Args: config.Recent{StreamLabels: labels.FromMap(a.StreamLabels), SeriesLabels: labels.FromMap(a.SeriesLabels)}})
	return map[string]any{
		"logs":    LogsReceiver{Component: b.entry.component.ID, Nodes: []string{node}},
		"metrics": MetricsReceiver{Component: b.entry.component.ID, Nodes: []string{node}},
	}
}, "logs", "metrics")
