package agent

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector"
	"lighter/collector/file"
	"lighter/collector/journal"
	"lighter/collector/push"
	"lighter/collector/stage"
	"lighter/collector/stage/process"
	"lighter/collector/syslog"
	"lighter/collector/tail"
	"lighter/config"
	"lighter/exporters/loki"
)

// What replaces a container's ID in the key of a log. For a file, that is its path.
const (
	journalLog = "journal"
	ownLog     = "agent"
)

// isFileLog reports whether a log is a file that can be found again by its path alone.
func isFileLog(log string) bool { return strings.HasPrefix(log, "/") }

// isContainerLog reports whether a log is a container's, which is identified by its ID.
func isContainerLog(log string) bool {
	return len(log) == 64 && strings.Trim(log, "0123456789abcdef") == ""
}

// logOf returns the log part of a key, which is "source/path/log".
func logOf(key string) string {
	_, key, _ = strings.Cut(key, "/")
	_, log, _ := strings.Cut(key, "/")
	return log
}

// reading is a log that is not a container's, or a listener.
//
// A file, the journal and the agent's own log are read once for each path of their source, like a
// container's log. A source has only one listener, which hands each batch to the stages of all paths.
type reading struct {
	key    string // of its job and of its position, if it has one
	source config.Node
	paths  []path // one, except for a listener
	file   file.Source
}

// readings adds to all what a source that reads no containers' logs must read for one of its paths.
func readings(plan *config.Plan, p path, targets []lighter.Target, all map[string]reading) {
	switch p.source.Args.(type) {
	case config.FileSource:
		for _, f := range file.Sources(targets) {
			all[p.key(f.Key)] = reading{key: p.key(f.Key), source: p.source, paths: []path{p}, file: f}
		}
	case config.JournalSource:
		all[p.key(journalLog)] = reading{key: p.key(journalLog), source: p.source, paths: []path{p}}
	case config.AgentLog:
		if !echoes(plan, p.endpoint) {
			all[p.key(ownLog)] = reading{key: p.key(ownLog), source: p.source, paths: []path{p}}
		}
	case config.SyslogSource, config.PushSource:
		key := listenerKey(p.source)
		r := all[key]
		all[key] = reading{key: key, source: p.source, paths: append(r.paths, p)}
	}
}

// echoes reports whether an endpoint writes to the agent's own log, whose lines must not be sent to it.
func echoes(p *config.Plan, endpoint string) bool {
	n, _ := p.Node(endpoint)
	_, ok := n.Args.(config.Echo)
	return ok
}

// listenerKey returns the key of a source's listener, which differs from that of any path.
func listenerKey(source config.Node) string { return source.Name + "//" }

// kind returns the kind of a reading in the status.
func (r reading) kind() string {
	switch r.source.Args.(type) {
	case config.FileSource:
		return "file"
	case config.JournalSource:
		return "journal"
	case config.SyslogSource:
		return "syslog"
	case config.PushSource:
		return "push"
	}
	return "agent"
}

// name returns the name of the log, or the addresses of the listener.
func (r reading) name() string {
	switch c := r.source.Args.(type) {
	case config.FileSource:
		return r.file.Path
	case config.JournalSource:
		return cmp.Or(c.Path, "the journal of systemd")
	case config.SyslogSource:
		var all []string
		for _, l := range c.Listeners {
			all = append(all, l.Protocol+"://"+l.Address)
		}
		return strings.Join(all, ", ")
	case config.PushSource:
		return c.Listen
	}
	return "the agent's own log"
}

// log describes a reading for its stages.
func (r reading) log() stage.Log {
	l := r.file.Labels
	switch c := r.source.Args.(type) {
	case config.JournalSource:
		l = c.Labels
	case config.PushSource:
		l = c.Labels
	case config.AgentLog:
		l = ownLogStream
	}
	for _, name := range []string{"service", "service_name", "job"} {
		if service := l.Get(name); service != "" {
			return stage.Log{Service: service}
		}
	}
	return stage.Log{}
}

// stream returns the labels of the stream of a reading that has one; the others make streams from what they
// read.
func (r reading) stream() labels.Labels {
	switch r.source.Args.(type) {
	case config.FileSource:
		return r.file.Labels
	case config.AgentLog:
		return ownLogStream
	}
	return labels.EmptyLabels()
}

// readingJob returns the job of a reading. The caller holds a.mu. New is called without it, so what a.mu
// guards is read in advance.
func (a *Agent) readingJob(r reading) collector.Job {
	g := a.graph.Load()
	files := file.Options{Options: a.tailing, Watcher: a.watching.watcher}
	files.Begin = a.pathBegan[r.paths[0].prefix()].UnixNano()
	version := g.nodes[r.source.Name].hash
	for _, p := range r.paths {
		version += "/" + p.name + g.version(p)
	}
	return collector.Job{
		ID:      r.key,
		Version: version + r.file.Labels.String(),
		New:     func() (collector.Runner, error) { return a.reader(g, r, files) },
	}
}

// errNoReader means that there is no reader for a kind of source.
var errNoReader = errors.New("there is no reader for this kind of source")

// reader makes the reader of a reading. files are the options of a tailer of a file that depend on what
// a.mu guards.
func (a *Agent) reader(g *graph, r reading, files file.Options) (collector.Runner, error) {
	switch c := r.source.Args.(type) {
	case config.PushSource:
		return a.listener(g, r, func(logs []lighter.Logs, logger *slog.Logger) server {
			return push.New(push.Options{
				Listen: c.Listen, Labels: c.Labels, Rules: c.Rules, UseIncomingTimestamp: c.UseIncomingTimestamp, MaxBodyBytes: c.MaxBodyBytes,
				Memory: a.memory, Logs: logs, Metrics: a.metrics.push, Logger: logger,
			})
		}), nil
	case config.FileSource:
		return a.fileTailer(g, r, r.paths[0], c, files), nil
	case config.SyslogSource:
		return a.listener(g, r, func(logs []lighter.Logs, logger *slog.Logger) server {
			return syslog.New(syslog.Options{Listeners: syslogListeners(c), Rules: c.Rules, Logs: logs, Metrics: a.metrics.syslog, Logger: logger})
		}), nil
	case config.JournalSource:
		matches, err := journal.ParseMatches(c.Matches)
		if err != nil { // cannot fail in a valid plan
			return nil, err
		}
		return journal.New(journal.Options{
			Path: c.Path, MaxAge: c.MaxAge, Matches: matches, JSON: c.JSON,
			Labels: c.Labels, Rules: c.Rules, MaxLineBytes: c.MaxLineBytes,
			Cursor: g.part(r.source.Name).legacy.journal(r.source.Name), Positions: a.positionsOf(r.paths[0]), Key: r.key, Logs: a.readingChain(g, r, r.paths[0], c.MaxLineBytes),
			Metrics: a.tailing.Metrics, Logger: a.o.Logger.With("source", r.source.Name),
		}), nil
	case config.AgentLog:
		return &ownLogReader{own: a.o.OwnLog, key: r.key, logs: a.readingChain(g, r, r.paths[0], 0)}, nil
	}
	return nil, fmt.Errorf("source %q: %w", r.source.Name, errNoReader)
}

func syslogListeners(c config.SyslogSource) (all []syslog.Listener) {
	for _, l := range c.Listeners {
		all = append(all, syslog.Listener{
			Address: l.Address, Protocol: l.Protocol, Format: l.Format, IdleTimeout: l.IdleTimeout, LabelStructuredData: l.LabelStructuredData,
			Labels: l.Labels, UseIncomingTimestamp: l.UseIncomingTimestamp, UseRFC5424Message: l.UseRFC5424Message,
			RFC3164DefaultToYear: l.RFC3164DefaultToYear, MaxMessageBytes: l.MaxMessageBytes, NullDelimiter: l.NullDelimiter,
			CertFile: l.CertFile, KeyFile: l.KeyFile, CAFile: l.CAFile,
			AllowEmpty: l.AllowEmpty, Cisco: syslog.Cisco(l.Cisco),
		})
	}
	return all
}

// fileTailer makes the reader of a file, with options that readingJob has begun.
func (a *Agent) fileTailer(g *graph, r reading, p path, c config.FileSource, o file.Options) *file.Tailer {
	o.Positions = a.positionsOf(p)
	o.KeyPrefix = p.prefix()
	o.MaxLineBytes = c.MaxLineBytes
	o.Logs = a.readingChain(g, r, p, c.MaxLineBytes)
	o.Reads, o.Key, o.Legacy = g.part(p.endpoint).reads, r.file.Key, g.part(r.source.Name).legacy.Positions
	o.FromEnd, o.Encoding, o.Decompression, o.InitialDelay = c.FromEnd, c.Encoding, c.Decompression, c.InitialDelay
	o.MinPoll, o.MaxPoll = c.MinPoll, c.MaxPoll
	return file.New(r.file.Path, lighter.NewStream(r.file.Labels), o)
}

// readingChain returns the stages of a reading on one of its paths.
func (a *Agent) readingChain(g *graph, r reading, p path, maxLine int) *stage.Chain {
	m := logStages{labels: r.file.Labels, key: r.key, maxLine: maxLine, logger: a.o.Logger.With("source", r.source.Name)}
	switch r.source.Args.(type) {
	case config.FileSource, config.JournalSource:
		m.positions = a.positionsOf(p)
	}
	return a.chain(g, p, r.log(), m)
}

// reporter is a reader that has a status.
type reporter interface{ Status() tail.Status }

// sendsUnlabelled reports whether an endpoint accepts entries of a stream without labels, or adds labels.
func sendsUnlabelled(p *config.Plan, endpoint string) bool {
	n, _ := p.Node(endpoint)
	c, ok := n.Args.(loki.Config)
	return !ok || !c.ExternalLabels.IsEmpty()
}

// mayLabel reports whether stages of a path may change the labels of streams.
func mayLabel(p path) bool {
	for _, n := range p.through {
		for _, args := range n.Args.(config.Stages).List {
			switch args.(type) {
			case config.RelabelStreams, process.Arguments:
				return true
			}
		}
	}
	return false
}
