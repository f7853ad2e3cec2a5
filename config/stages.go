package config

import (
	"time"

	"lighter/collector/host"
)

// Stages is a list of what the entries of a log pass through, in their order. Each is a Multiline, a Drop,
// a Redact, a Fields, a LogMetrics, a RelabelStreams or a process.Arguments. A stage that has nothing to do for a log is left out of its chain.
//
// Label, where a stage has it, is the name of a target's label with which a container says something else
// for its own log, as discovery gives it (__meta_docker_container_label_…).
type Stages struct {
	List []any
}

// Multiline makes one entry of lines that belong together.
type Multiline struct {
	Off     bool   // joins nothing, but for containers that say otherwise
	Pattern string // of the first line of an entry; empty finds the stack traces of the common runtimes
	Label   string // a container's own: "auto", "off" or a pattern
}

// Drop leaves out entries that nobody wants.
type Drop struct {
	Rules string // as package drop parses them; may be empty
	Label string // a container's own rules, beside these
}

// Redact replaces secrets.
type Redact struct {
	Off   bool
	Label string // a container's own switch
}

// Fields makes fields of JSON and logfmt lines structured metadata.
type Fields struct {
	Fields string // as package fields parses them; may be empty
	Label  string // a container's own fields, beside these
}

// LogMetrics counts entries by their level, and metrics that are declared.
type LogMetrics struct {
	Declarations string // as package logmetrics parses them; may be empty
	Series       int    // the most that one declaration may have
	Label        string // a container's own declarations, beside these
}

// ContainerMetrics is what the containers among its targets use, as a target of its own that is scraped
// without a socket.
type ContainerMetrics struct {
	Engine   string        // name of the node whose Engine is asked
	Interval time.Duration // between two looks at a container
	DataRoot string        // where the Engine's data directory may be mounted, with the logs in it

	CAdvisor *CAdvisor // what the page has instead as prometheus.exporter.cadvisor; nil is a page of our own
}

// CAdvisor is a page of containers that has cAdvisor's labels and no others, and job integrations/cadvisor.
type CAdvisor struct {
	ContainerLabels bool     // the labels of a container are labels of its series, as container_label_…
	LabelAllowlist  []string // of those that are; empty and without ContainerLabels it is none
	Enabled         []string // kinds of metrics, as cAdvisor names them; empty is all but Disabled
	Disabled        []string
}

// HostMetrics is what the host uses, likewise.
type HostMetrics struct {
	Root string // where the host's root is mounted; is not used with Unix

	Unix *host.Exporter // what the page has instead as prometheus.exporter.unix, with job integrations/unix; nil is a choice of our own
}

// LogMetricsPage is what the stages of all logs have counted, likewise.
type LogMetricsPage struct{}
