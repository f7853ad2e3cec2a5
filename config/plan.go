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

// Plan is a graph of named nodes: what is discovered, how its labels become those that are sent,
// what is collected, and where that goes. The environment and an Alloy file are two ways to write
// it; nothing but this package knows that there are two.
type Plan struct {
	Agent Agent
	Nodes []Node
}

// Node is one part of what runs. The type of Args says of which kind it is, and so what it takes
// and what it gives:
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
// Whoever takes targets names in From the nodes that it takes them from. Whoever sends entries or
// samples names in To the nodes that it sends them to. The Name that some of the Args have is the
// node's; whoever builds the node sets it.
type Node struct {
	Name string // unique in a plan
	Args any
	From []string
	To   []string
}

// Agent is what concerns the process and not what it ships.
type Agent struct {
	Listen      string
	DataDir     string
	BufferMax   int64  // bytes on disk, for logs and for metrics each
	Environment string // is shown on the status page; empty is not shown
	Host        string // what the host is called; empty is the Engine's name of its host
	LogLevel    slog.Level
	LogFormat   string // "json" or "logfmt"

	Auth *ServerAuth // what the agent's own server asks of who asks it; nil asks nothing
	TLS  *ServerTLS  // of the agent's own server; nil is plain HTTP

	// What may be sent, which is only reported.
	BudgetLogs   int64 // bytes of log lines a month; 0 is no budget
	BudgetSeries int   // 0 is no budget
}

// ServerAuth is a user and a password that requests must have.
type ServerAuth struct {
	User      string
	Password  lighter.Secret
	Paths     []string // beginnings of the paths of requests
	OnlyPaths bool     // requests for Paths must have them, and others need not; else it is the other way around
}

// ServerTLS is how a server is known, and what it asks of the certificates of its clients. Of each certificate
// and key there is either the text or the file.
type ServerTLS struct {
	Cert, CertFile         string
	Key                    lighter.Secret
	KeyFile                string
	ClientCA, ClientCAFile string
	ClientAuth             tls.ClientAuthType
	MinVersion, MaxVersion uint16 // as crypto/tls has them; 0 is Go's
}

// Files finds containers in the data directory of an Engine that is not asked.
type Files struct {
	Root string // where the data directory is mounted
}

// Static is a list of targets that are written down.
type Static struct {
	Targets []labels.Labels
}

// Self is the agent itself as a target, which is scraped without a socket.
type Self struct {
	Job string // the target's job label; empty is "lighter", with the server's port in the label instance
}

// Relabel turns targets by its rules.
type Relabel struct {
	Rules  []*relabel.Config
	Origin map[int]string // what the user wrote, such as LIGHTER_INCLUDE=api*, by the index of the rule that came of it
}

// LogSource reads the logs of the containers among its targets.
type LogSource struct {
	Rules        []*relabel.Config // are run once a stream, with lighter.LabelLogStream set
	Since        time.Duration     // how far back the first sight of a container reads; 0 is from now on
	MaxLineBytes int               // a longer line is cut there
	Events       bool              // what the Engine tells of the containers is shipped as entries of theirs
	Labels       labels.Labels     // are added to each target, in place of labels of the same name, before the rules

	// Where logs are read. With both, the files of a log are read where that can be, else the
	// Engine is asked.
	Engine string // name of the node whose Engine is asked; empty asks none
	Root   string // the Engine's data directory, where json-file logs are; empty reads no files
}

// Recent keeps the newest entries and samples in memory, for the status page of an agent that has
// no backend.
type Recent struct {
	StreamLabels labels.Labels // on every stream that has none of that name
	SeriesLabels labels.Labels // on every series likewise
}

// Node returns the node of a name.
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
