package config

import (
	"time"

	"lighter/collector/host"
)

// Stages is the list of stages that the entries of a log pass, in order. Each is a Multiline, a Drop, a
// Redact, a Fields, a LogMetrics, a RelabelStreams or a process.Arguments. A stage with nothing to do for a
// log is not part of its chain.
//
// A stage's Label is the name of a target's label with which a container overrides the stage for its own
// log, in the form of discovery (__meta_docker_container_label_…).
type Stages struct {
	List []any
}

// Multiline joins lines that belong together into one entry.
type Multiline struct {
	Off     bool   // join nothing, except for containers that override it
	Pattern string // of the first line of an entry; if empty, stack traces of the common runtimes are joined
	Label   string // overrides: "auto", "off" or a pattern
}

// Drop drops unwanted entries.
type Drop struct {
	Rules string // in the form that package drop parses; may be empty
	Label string // adds a container's own rules
}

// Redact replaces secrets in entries.
type Redact struct {
	Off   bool
	Label string // a container's own switch
}

// Fields turns fields of JSON and logfmt lines into structured metadata.
type Fields struct {
	Fields string // in the form that package fields parses; may be empty
	Label  string // adds a container's own fields
}

// LogMetrics counts entries by level, and declared metrics.
type LogMetrics struct {
	Declarations string // in the form that package logmetrics parses; may be empty
	Series       int    // limit of one declaration
	Label        string // adds a container's own declarations
}

// ContainerMetrics is a target with the resources that the containers among its targets use. It is scraped
// without a socket.
type ContainerMetrics struct {
	Engine   string        // name of the node with the Engine
	Interval time.Duration // interval of measuring a container
	DataRoot string        // where the Engine's data directory may be mounted, with the logs in it

	CAdvisor *CAdvisor // makes the page that of prometheus.exporter.cadvisor; nil means lighter's own page
}

// CAdvisor is a page of containers with exactly cAdvisor's labels, and job integrations/cadvisor.
type CAdvisor struct {
	ContainerLabels bool     // add the labels of a container to its series, as container_label_…
	LabelAllowlist  []string // the only labels to add; if empty and without ContainerLabels, none are
	Enabled         []string // kinds of metrics, with cAdvisor's names; if empty, all but Disabled
	Disabled        []string
}

// HostMetrics is a target with the resources that the host uses. It is scraped without a socket.
type HostMetrics struct {
	Root string // where the host's root is mounted; not used with Unix

	Unix *host.Exporter // makes the page that of prometheus.exporter.unix, with job integrations/unix; nil means lighter's own selection
}

// LogMetricsPage is a target with the counts of the stages of all logs. It is scraped without a socket.
type LogMetricsPage struct{}
