package agent

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector"
	"lighter/collector/dockerlog"
	"lighter/collector/filelog"
	"lighter/collector/stage"
	"lighter/collector/stage/process"
	"lighter/collector/tail"
	"lighter/config"
)

// path is one way from a source of entries through stages to an endpoint. Each log has a reader and a
// position for each path, so that an endpoint that stands still stops only the readers of its own paths:
// the others continue, and it continues later from its own position. A path's name is part of the keys of
// positions on disk.
type path struct {
	route  // through stages
	source config.Node
	args   config.LogSource // of a source of containers' logs; the zero value for any other
	ways   []process.Way    // of the stages
}

// key returns the key of a log among positions and readers: "source/path/log".
func (p path) key(log string) string { return p.prefix() + log }

func (p path) prefix() string { return p.source.Name + "/" + p.name + "/" }

// paths returns the paths of all sources of entries of a valid plan.
func paths(p *config.Plan) (all []path) {
	isStage := func(args any) bool { _, ok := args.(config.Stages); return ok }
	for _, n := range p.Nodes {
		if !givesEntries(n) {
			continue
		}
		args, _ := n.Args.(config.LogSource)
		first := len(all)
		for _, r := range routes(p, n, isStage) {
			one := path{route: r, source: n, args: args}
			one.ways = waysOf(all[first:], one)
			all = append(all, one)
		}
	}
	return all
}

// waysOf returns the ways of a path's stages. An entry is counted by the first of the paths that have the same
// stages up to the one that counts; before are the earlier paths of the source.
func waysOf(before []path, p path) (ways []process.Way) {
	names := func(nodes []config.Node) (all []string) {
		for _, n := range nodes {
			all = append(all, n.Name)
		}
		return all
	}
	all := names(p.through)
	for i := range all {
		ways = append(ways, process.Way{
			Name: strings.Join(append(all[i+1:len(all):len(all)], p.endpoint), "+"),
			Again: slices.ContainsFunc(before, func(o path) bool {
				return len(o.through) > i && slices.Equal(names(o.through[:i+1]), all[:i+1])
			}),
		})
	}
	return ways
}

// givesEntries reports whether a node is a source of entries.
func givesEntries(n config.Node) bool {
	switch n.Args.(type) {
	case config.LogSource, config.FileSource, config.JournalSource, config.SyslogSource, config.PushSource, config.AgentLog:
		return true
	}
	return false
}

// endpoints returns the names of the endpoints to which a source delivers.
func endpoints(p *config.Plan, source config.Node) (names []string) {
	for _, one := range paths(p) {
		if one.source.Name == source.Name && !slices.Contains(names, one.endpoint) {
			names = append(names, one.endpoint)
		}
	}
	return names
}

// followed is a log that is wanted on one path.
type followed struct {
	path   path
	target logTarget
	from   string // readFile or readSocket
}

// Where a log is read, as shown in the status.
const (
	readFile   = "file"
	readSocket = "socket"
)

// readFrom returns where a container's log is read. If both are possible, it is the file if that exists.
// The choice is kept, so that a temporary disk problem does not change how a log is read; but it is not
// kept for a container that has not been started yet, because that has no log.
func readFrom(s config.LogSource, c *lighter.Container, before followed) string {
	switch {
	case s.Root == "":
		return readSocket
	case s.Engine == "":
		return readFile
	case before.target.container != nil && !before.target.container.Started.IsZero() && before.path.args.Root == s.Root && before.path.args.Engine == s.Engine:
		return before.from
	case filelog.Readable(s.Root, c) == nil:
		return readFile
	}
	return readSocket
}

// tailer is a reader of a log, from any source.
type tailer interface {
	collector.Runner
	Status() tail.Status
	State() *tail.State
}

// tailJob returns the job that follows a container's log on a path. There is none for a container that
// stopped before the time from which logs are read, unless a part of its log was delivered before.
func (a *Agent) tailJob(f followed) (collector.Job, bool) {
	t, c := f.target, f.target.container
	g := a.graph.Load()
	o := a.tailing
	o.Positions = a.positionsOf(f.path)
	o.KeyPrefix = f.path.prefix()
	o.Begin = beginning(c, a.pathBegan[f.path.prefix()], time.Now(), f.path.args.Since)
	if seconds, ok := g.part(f.path.source.Name).legacy.Container(c.ID); ok {
		o.Begin = seconds * int64(time.Second) // the lines of that second may have been delivered, and are sent with the same content
	}
	o.MaxLineBytes = f.path.args.MaxLineBytes
	if t.leftOut() || neverRan(c) || endedBefore(c, o.Begin) && o.Positions.Acked(f.path.key(c.ID)).IsZero() {
		return collector.Job{}, false
	}
	version, asked := g.nodes[f.path.source.Name].hash+g.version(f.path), g.part(f.path.args.Engine)
	if asked != nil {
		version += fmt.Sprint("/", asked.id)
	}
	watcher := a.watching.watcher
	out, err := stream(t.out, t.noOut), stream(t.err, t.noErr)
	return collector.Job{
		ID:      f.path.key(c.ID),
		Version: fmt.Sprint(version, f.from, t.out, t.err, c.TTY, c.LogFiles, c.OldEngine), // the last three change how a log is read
		Wake:    strconv.FormatInt(c.Started.UnixNano(), 10),
		New: func() (collector.Runner, error) {
			o.Logs = a.chain(g, f.path, stage.Log{Service: t.labels.Get("service"), Container: c.Name}, logStages{
				labels: t.labels, key: f.path.key(c.ID), positions: o.Positions, maxLine: o.MaxLineBytes, logger: a.o.Logger.With("container", c.Name),
			})
			if f.from == readFile {
				return filelog.New(c, out, err, filelog.Options{Options: o, Root: f.path.args.Root, Containers: &a.containers, Watcher: watcher}), nil
			}
			return dockerlog.New(c, out, err, dockerlog.Options{Options: o, Engine: engine{asked.engine}}), nil
		},
	}, true
}

// version identifies the configuration of the stages and the endpoint of a path.
func (g *graph) version(p path) (version string) {
	for _, s := range p.through {
		version += s.Name + g.nodes[s.Name].hash
	}
	return version + fmt.Sprint(g.part(p.endpoint).id)
}

// counted returns the Logs of an endpoint, which counts the entries that leave the host for the budget.
func (a *Agent) counted(end *part) lighter.Logs {
	if end.loki == nil {
		return end.logs
	}
	return a.budget.Logs(end.logs)
}

// beginning returns the time, in Unix nanoseconds, from which a new log is read: lookBack before pathBegan,
// which is when the plan first had the log's path. If the clock was set back after that, new lines have
// earlier times, and it is lookBack before now, or lookBack before the start of the container if that is
// earlier.
func beginning(c *lighter.Container, pathBegan, now time.Time, lookBack time.Duration) int64 {
	from, now := pathBegan.Round(0), now.Round(0) // wall-clock times
	if now.Before(from) {
		from = now
		if !c.Started.IsZero() && c.Started.Before(from) {
			from = c.Started
		}
	}
	return max(from.Add(-lookBack).UnixNano(), 0)
}

// neverRan reports whether a container was created and not started yet, so that it has no log.
func neverRan(c *lighter.Container) bool { return c.Started.IsZero() && !c.Running }

// endedBefore reports whether a container is known to have ended before a time, in nanoseconds since 1970.
func endedBefore(c *lighter.Container, time int64) bool {
	return !c.Running && !c.Finished.IsZero() && c.Finished.UnixNano() < time
}

func stream(l labels.Labels, leftOut bool) *lighter.Stream {
	if leftOut {
		return nil
	}
	return lighter.NewStream(l)
}

// wake makes a tailer of a file check the state of its container. The others learn it from the Engine.
func wake(_ collector.Job, r collector.Runner) {
	if f, ok := r.(*filelog.Tailer); ok {
		f.Wake()
	}
}

// tailerEnded keeps the last state of a tailer, for the status, and logs an unusual reason for its end.
func (a *Agent) tailerEnded(j collector.Job, r collector.Runner, err error) {
	name := j.ID
	all := a.view.all()
	if f, ok := all.logs[j.ID]; ok {
		name = f.target.container.Name
	}
	switch {
	case r == nil:
		a.o.Logger.Error("a log cannot be read", "log", j.ID, "error", err)
	case errors.Is(err, lighter.ErrUnreadable):
		a.o.Logger.Warn("the container's log cannot be read and is not shipped; use the log driver json-file, local or journald", "container", name, "error", err)
	case errors.Is(err, filelog.ErrDriver):
		a.o.Logger.Warn("the container's log cannot be read and is not shipped; use the log driver json-file, or "+lighter.SettingAutoSource+" and the Engine's socket", "container", name, "error", err)
	}
	t, reads := r.(tailer)
	switch {
	case !all.has(j.ID):
		a.stages.counted.Forget(j.ID)
	case reads:
		a.endings.put(j.ID, t.State())
	}
}

// endings holds the states of ended tailers, by the key of their log: what they have read may be delivered
// only later. The zero value is ready to use.
type endings struct {
	mu   sync.Mutex
	last map[string]*tail.State
}

func (e *endings) put(key string, s *tail.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = map[string]*tail.State{}
	}
	e.last[key] = s
}

func (e *endings) get(key string) (tail.Status, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.last[key]
	if !ok {
		return tail.Status{}, false
	}
	return s.Status(), true
}

func (e *endings) has(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last[key] != nil
}

// keep removes all keys for which wanted returns false.
func (e *endings) keep(wanted func(key string) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key := range e.last {
		if !wanted(key) {
			delete(e.last, key)
		}
	}
}
