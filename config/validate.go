package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"lighter/collector/containers"
	"lighter/collector/journal"
	"lighter/collector/scrape"
	"lighter/collector/stage/drop"
	"lighter/collector/stage/fields"
	"lighter/collector/stage/logmetrics"
	"lighter/collector/stage/process"
	"lighter/discovery/dns"
	"lighter/discovery/docker"
	"lighter/discovery/file"
	"lighter/discovery/http"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// NodeError describes what is wrong with one field of one node of a plan.
type NodeError struct {
	Node  string
	Field string // "name", "from", "to", or an argument's
	Err   error
}

func (e *NodeError) Error() string { return fmt.Sprintf("node %q: %s: %v", e.Node, e.Field, e.Err) }

func (e *NodeError) Unwrap() error { return e.Err }

// flow is the kind of data along an edge of the graph.
type flow uint

const (
	targets flow = 1 << iota
	entries
	samples
)

func (f flow) String() string {
	switch f {
	case targets:
		return "targets"
	case entries:
		return "log entries"
	case samples:
		return "samples"
	}
	return "nothing"
}

// flows returns the input and output of a node, and whether its kind is known.
func (n Node) flows() (takes, gives flow, known bool) {
	switch n.Args.(type) {
	case docker.Config, file.Config, http.Config, dns.Config, Files, Static, Self, HostMetrics, LogMetricsPage:
		return 0, targets, true
	case Relabel, ContainerMetrics, FileMatch:
		return targets, targets, true
	case LogSource, FileSource:
		return targets, entries, true
	case JournalSource, SyslogSource, PushSource, AgentLog:
		return 0, entries, true
	case Echo:
		return entries, 0, true
	case MetricRelabel:
		return samples, samples, true
	case Stages:
		return entries, entries, true
	case loki.Config:
		return entries, 0, true
	case scrape.Config:
		return targets, samples, true
	case remotewrite.Config:
		return samples, 0, true
	case Recent:
		return entries | samples, 0, true
	}
	return 0, 0, false
}

// Validate returns everything that is wrong with the plan, as joined NodeErrors, or nil if the plan can be
// built. It checks names, edges and arguments, and opens nothing.
func (p *Plan) Validate() error {
	v := validation{plan: p, nodes: map[string]Node{}}
	for _, n := range p.Nodes {
		_, known := v.nodes[n.Name]
		switch {
		case n.Name == "":
			v.wrong(n, "name", "is empty")
		case strings.ContainsFunc(n.Name, func(r rune) bool { return !strings.ContainsRune(nameLetters, r) }) || strings.Trim(n.Name, ".") == "":
			v.wrong(n, "name", "want letters, digits, points, hyphens and underscores alone")
		case known:
			v.wrong(n, "name", "another node has it too")
		default:
			v.nodes[n.Name] = n
		}
	}
	for _, n := range p.Nodes {
		takes, gives, known := n.flows()
		if !known {
			v.wrong(n, "kind", "there is no kind of node with arguments of type %T", n.Args)
			continue
		}
		v.from(n, takes)
		v.to(n, gives)
		v.arguments(n)
	}
	if Has[loki.Config](p) || Has[remotewrite.Config](p) {
		agent := Node{Name: "agent"}
		if p.Agent.DataDir == "" {
			v.wrong(agent, "data_dir", "want a directory for positions and buffers")
		}
		if p.Agent.BufferMax <= 0 {
			v.wrong(agent, "buffer_max", "want more than 0 bytes")
		}
	}
	v.cycles()
	return errors.Join(v.errs...)
}

// nameLetters are the characters allowed in the names of nodes, which are parts of position keys and
// directory names.
const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

type validation struct {
	plan  *Plan
	nodes map[string]Node
	errs  []error
}

func (v *validation) wrong(n Node, field, format string, args ...any) {
	v.errs = append(v.errs, &NodeError{n.Name, field, fmt.Errorf(format, args...)})
}

// from checks the nodes from which a node takes targets.
func (v *validation) from(n Node, takes flow) {
	switch {
	case takes&targets == 0 && len(n.From) > 0:
		v.wrong(n, "from", "it takes no targets")
		return
	case takes&targets != 0 && len(n.From) == 0:
		v.wrong(n, "from", "names no node to take targets from")
	}
	v.edges(n, "from", n.From, func(other Node) error {
		if _, gives, _ := other.flows(); gives != targets {
			return fmt.Errorf("%q gives no targets", other.Name)
		}
		return nil
	})
}

// to checks the nodes to which a node sends.
func (v *validation) to(n Node, gives flow) {
	sends := gives&^targets != 0
	switch {
	case !sends && len(n.To) > 0:
		v.wrong(n, "to", "it sends nothing")
		return
	case sends && len(n.To) == 0:
		v.wrong(n, "to", "names no node to send %v to", gives)
	}
	v.edges(n, "to", n.To, func(other Node) error {
		if takes, _, _ := other.flows(); takes&gives == 0 {
			return fmt.Errorf("%q takes no %v", other.Name, gives)
		}
		return nil
	})
}

func (v *validation) edges(n Node, field string, names []string, check func(other Node) error) {
	for i, name := range names {
		other, ok := v.nodes[name]
		switch {
		case !ok:
			v.wrong(n, field, "there is no node %q", name)
		case slices.Contains(names[:i], name):
			v.wrong(n, field, "names %q twice", name)
		default:
			if err := check(other); err != nil {
				v.wrong(n, field, "%w", err)
			}
		}
	}
}

// arguments checks the arguments of a node as far as possible without opening anything.
func (v *validation) arguments(n Node) {
	switch args := n.Args.(type) {
	case LogSource:
		if args.Engine == "" && args.Root == "" {
			v.wrong(n, "engine", "neither an Engine nor a directory of log files is named")
		}
		if args.Engine != "" {
			v.engine(n, args.Engine)
		}
		if args.MaxLineBytes <= 0 {
			v.wrong(n, "max_line", "want more than 0 bytes")
		}
		if args.Since < 0 {
			v.wrong(n, "since", "want 0 or more")
		}
	case file.Config:
		v.discovery(n, args.Validate())
	case http.Config:
		v.discovery(n, args.Validate())
		v.http(n, args.HTTP)
	case dns.Config:
		v.discovery(n, args.Validate())
	case FileMatch:
		if args.SyncPeriod <= 0 {
			v.wrong(n, "sync_period", "want more than 0")
		}
	case JournalSource:
		if _, err := journal.ParseMatches(args.Matches); err != nil {
			v.wrong(n, "matches", "%w", err)
		}
	case PushSource:
		if args.Listen == "" {
			v.wrong(n, "listen", "want an address and a port")
		}
	case SyslogSource:
		for i, l := range args.Listeners {
			if l.Address == "" {
				v.wrong(n, "address", "want an address and a port for listener %d", i+1)
			}
		}
	case Stages:
		for _, stage := range args.List {
			v.stage(n, stage)
		}
	case ContainerMetrics:
		v.engine(n, args.Engine)
		if args.Interval <= 0 {
			v.wrong(n, "interval", "want more than 0")
		}
		if c := args.CAdvisor; c != nil {
			if err := (&containers.CAdvisor{Enabled: c.Enabled, Disabled: c.Disabled}).Check(); err != nil {
				v.wrong(n, "arguments", "%w", err)
			}
		}
	case HostMetrics:
		if args.Unix != nil {
			if err := args.Unix.Check(); err != nil {
				v.wrong(n, "arguments", "%w", err)
			}
		} else if args.Root == "" {
			v.wrong(n, "root", "want the directory where the host's root is mounted")
		}
	case loki.Config:
		v.endpoint(n, args.URL, args.HTTP)
	case remotewrite.Config:
		v.endpoint(n, args.URL, args.HTTP)
		if args.Version != 1 && args.Version != 2 {
			v.wrong(n, "version", "there is no version %d of the protocol; want 1 or 2", args.Version)
		}
	case scrape.Config:
		switch {
		case args.Interval <= 0:
			v.wrong(n, "interval", "want more than 0")
		case args.Timeout <= 0 || args.Timeout > args.Interval:
			v.wrong(n, "timeout", "want more than 0 and at most the interval, which is %s", args.Interval)
		}
		if err := args.Check(); err != nil {
			v.wrong(n, "arguments", "%w", err)
		}
		v.http(n, args.HTTP)
	}
}

// stage checks one stage of a list.
func (v *validation) stage(n Node, args any) {
	var field string
	var err error
	switch s := args.(type) {
	case Multiline:
		field = "multiline"
		_, err = regexp.Compile(s.Pattern)
	case Drop:
		field = "drop"
		_, err = drop.Parse(s.Rules)
	case Redact, RelabelStreams, process.Arguments:
	case Fields:
		field = "fields"
		_, err = fields.ParseNamed(s.Fields)
	case LogMetrics:
		field = "log_metrics"
		_, err = logmetrics.Parse(s.Declarations)
		if s.Series <= 0 {
			v.wrong(n, "log_metrics_series", "want more than 0")
		}
	default:
		v.wrong(n, "stages", "there is no stage with arguments of type %T", args)
	}
	if err != nil {
		v.wrong(n, field, "%w", err)
	}
}

// discovery records what is wrong with the arguments of a discovery.
func (v *validation) discovery(n Node, err error) {
	if err != nil {
		v.wrong(n, "arguments", "%w", err)
	}
}

// engine checks that a name is that of a node with an Engine.
func (v *validation) engine(n Node, name string) {
	if _, ok := v.nodes[name].Args.(docker.Config); !ok {
		v.wrong(n, "engine", "there is no node %q that asks an Engine", name)
	}
}

func (v *validation) endpoint(n Node, address string, c promconfig.HTTPClientConfig) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		v.wrong(n, "url", "want http:// or https:// and a host")
	}
	v.http(n, c)
}

func (v *validation) http(n Node, c promconfig.HTTPClientConfig) {
	if err := c.Validate(); err != nil {
		v.wrong(n, "http", "%w", err)
	}
}

// cycles finds nodes that take their own targets, or receive their own entries.
func (v *validation) cycles() {
	const unseen, open, closed = 0, 1, 2
	state := map[string]int{}
	var path []string
	var visit func(field, name string, next func(Node) []string)
	visit = func(field, name string, next func(Node) []string) {
		n, ok := v.nodes[name]
		if !ok || state[name] == closed {
			return
		}
		if state[name] == open {
			v.wrong(n, field, "it is on a cycle: %s", strings.Join(append(path[slices.Index(path, name):], name), " -> "))
			return
		}
		state[name] = open
		path = append(path, name)
		for _, other := range next(n) {
			visit(field, other, next)
		}
		path = path[:len(path)-1]
		state[name] = closed
	}
	for _, n := range v.plan.Nodes {
		visit("from", n.Name, func(n Node) []string { return n.From })
	}
	clear(state)
	for _, n := range v.plan.Nodes {
		visit("to", n.Name, func(n Node) []string { return n.To })
	}
}
