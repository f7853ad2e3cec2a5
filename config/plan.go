package config

import (
	"crypto/tls"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
)

// Plan is a graph of named nodes: what is discovered, how its labels become the labels to send, what is
// collected, and where that goes. The environment and an Alloy file are two ways to write it; only this
// package knows both.
type Plan struct {
	Agent Agent
	Nodes []Node
}

// Node is one part of what runs. The type of Args determines its kind, and therefore its input and output:
//
//	docker.Config, file.Config, http.Config,
//	dns.Config (of discovery), Files, Static, Self,
//	HostMetrics, LogMetricsPage                   give targets
//	Relabel, ContainerMetrics,
//	FileMatch         take targets (From)    and give targets
//	LogSource, FileSource
//	                  take targets (From)    and send entries (To)
//	JournalSource, SyslogSource,
//	PushSource, AgentLog                     send entries (To)
//	Stages            takes entries          and sends entries (To)
//	loki.Config, Echo take entries
//	scrape.Config     takes targets (From)   and sends samples (To)
//	MetricRelabel     takes samples          and sends samples (To)
//	remotewrite.Config takes samples
//	Recent            takes entries and samples
//
// A node that takes targets lists in From the nodes from which it takes them. A node that sends entries or
// samples lists in To the nodes to which it sends them. Some Args have a Name, which must be the node's;
// the builder of the node sets it.
type Node struct {
	Name string // unique in a plan
	Args any
	From []string
	To   []string
}

// Agent configures the process itself.
type Agent struct {
	Listen      string
	DataDir     string
	BufferMax   int64  // bytes on disk, for logs and for metrics each
	Environment string // shown on the status page unless empty
	Host        string // the name of the host; if empty, the Engine's name of its host
	LogLevel    slog.Level
	LogFormat   string // "json" or "logfmt"

	Auth *ServerAuth // of the agent's own server; nil means none
	TLS  *ServerTLS  // of the agent's own server; nil means plain HTTP

	// Budgets, which are only reported.
	BudgetLogs   int64 // bytes of log lines per month; 0 means no budget
	BudgetSeries int   // 0 means no budget
}

// ServerAuth is a user and a password that requests must contain.
type ServerAuth struct {
	User      string
	Password  lighter.Secret
	Paths     []string // prefixes of the paths of requests
	OnlyPaths bool     // if true, only requests for Paths need authentication; otherwise all others do
}

// ServerTLS contains a server's certificate, and its requirements for client certificates. Each certificate
// and key is given either as text or as a file.
type ServerTLS struct {
	Cert, CertFile         string
	Key                    lighter.Secret
	KeyFile                string
	ClientCA, ClientCAFile string
	ClientAuth             tls.ClientAuthType
	MinVersion, MaxVersion uint16 // as in crypto/tls; 0 means Go's default
}

// Files discovers containers in the data directory of an Engine, without requests to the Engine.
type Files struct {
	Root string // where the data directory is mounted
}

// Static is a fixed list of targets.
type Static struct {
	Targets []labels.Labels
}

// Self is the agent itself as a target, which is scraped without a socket.
type Self struct {
	Job string // the target's job label; if empty, "lighter", with the server's port in the label instance
}

// Relabel changes targets by its rules.
type Relabel struct {
	Rules  []*relabel.Config
	Origin map[int]string // what the user wrote, such as LIGHTER_INCLUDE=api*, by the index of the resulting rule
}

// LogSource reads the logs of the containers among its targets.
type LogSource struct {
	Rules        []*relabel.Config // applied once per stream, with lighter.LabelLogStream set
	Since        time.Duration     // how far back a new container's log is read; 0 means from now on
	MaxLineBytes int               // longer lines are cut
	Events       bool              // also ship the Engine's events of the containers, as entries
	Labels       labels.Labels     // added to each target before the rules, replacing labels of the same name

	// Where logs are read. If both are set, a log is read from its files if possible, and otherwise from
	// the Engine.
	Engine string // name of the node with the Engine; empty means not from an Engine
	Root   string // the Engine's data directory with the json-file logs; empty means not from files
}

// Recent keeps the newest entries and samples in memory, for the status page of an agent without a backend.
type Recent struct {
	StreamLabels labels.Labels // added to every stream that does not have them
	SeriesLabels labels.Labels // added to every series that does not have them
}

// Node returns the node with the given name.
func (p *Plan) Node(name string) (Node, bool) {
	i := slices.IndexFunc(p.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{}, false
	}
	return p.Nodes[i], true
}

// All returns the nodes of one kind, in the order of the plan, with their arguments.
func All[Args any](p *Plan) iter.Seq2[Node, Args] {
	return func(yield func(Node, Args) bool) {
		for _, n := range p.Nodes {
			if args, ok := n.Args.(Args); ok && !yield(n, args) {
				return
			}
		}
	}
}

// Has reports whether the plan has a node of one kind.
func Has[Args any](p *Plan) bool {
	for range All[Args](p) {
		return true
	}
	return false
}
