package config

import (
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter/collector/scrape"
	"lighter/discovery/docker"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// Plan is a small graph: what is discovered, how its labels become those that are sent,
// what is collected and where that goes. A node has a name and the names it takes from or
// sends to. The environment and an Alloy file are two ways to write it; nothing but this
// package knows that there are two.
type Plan struct {
	Agent Agent

	Docker   []docker.Config
	Files    []Files
	Static   []Static
	Relabels []Relabel // in an order in which each comes after what it takes from
	Logs     []LogSource
	Scrapes  []Scrape
	Loki     []loki.Config        // an endpoint each
	Remote   []remotewrite.Config // an endpoint each
}

// Agent is what concerns the process and not what it ships.
type Agent struct {
	Listen      string
	DataDir     string
	BufferMax   int64  // bytes on disk, for logs and for metrics each
	SelfMetrics bool   // the agent's own metrics go to the Remote endpoints
	Environment string // empty is not said
	Host        string // LIGHTER_HOST; empty is the Engine's name of its host
	LogLevel    slog.Level
	LogFormat   string // "json" or "logfmt"
}

// Files finds containers in the data directory of an Engine that is not asked.
type Files struct {
	Name string
	Root string // where the data directory is mounted
}

// Static is a list of targets that are written down.
type Static struct {
	Name    string
	Targets []labels.Labels
}

// Relabel turns the targets of From by its rules.
type Relabel struct {
	Name  string
	From  []string
	Rules []*relabel.Config
	Said  map[*relabel.Config]string // what the user wrote, such as LIGHTER_INCLUDE=api*, for rules that come of it
}

// LogSource reads the logs of the containers among the targets of From.
type LogSource struct {
	Name         string
	From         []string
	Rules        []*relabel.Config // run once a stream, with lighter.LabelLogStream set
	To           []string          // names of Loki endpoints
	Since        time.Duration     // how far back the first sight of a container reads; 0 is from now on
	MaxLineBytes int               // a longer line is cut there

	// Where logs are read. With both, a log's file is read where that can be, else the Engine
	// is asked.
	Docker string // name of the Docker discovery whose Engine is asked; empty: none is
	Root   string // the Engine's data directory, where json-file logs are; empty: files are not read
}

// Scrape scrapes the targets of From.
type Scrape struct {
	scrape.Config
	From []string
	To   []string // names of Remote endpoints
}
