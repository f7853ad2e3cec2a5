package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	promconfig "github.com/prometheus/common/config"

	"lighter"
	"lighter/collector/file"
	"lighter/collector/scrape"
	"lighter/collector/stage/process"
	"lighter/config"
	"lighter/discovery"
	"lighter/discovery/dns"
	"lighter/discovery/docker"
	"lighter/discovery/dockerfiles"
	discoveryfile "lighter/discovery/file"
	discoveryhttp "lighter/discovery/http"
	"lighter/discovery/static"
	"lighter/exporters/loki"
	"lighter/exporters/recent"
	"lighter/exporters/remotewrite"
	"lighter/exporters/send"
)

// graph is a plan and the parts built for its nodes.
type graph struct {
	plan  *config.Plan
	nodes map[string]*node
}

// node is a node of a plan, and the part that does its work. Nodes of two plans with the same name and hash
// share the part, which keeps running.
type node struct {
	config.Node
	hash string
	err  error // why its endpoint could not be opened
	part *part // nil for a node without one: the agent and its readers do the work of relabels, log sources and stages
}

// part is what is built for a node. The kind of the node determines which of the fields are set.
type part struct {
	id uint64 // differs for each part that an agent makes

	engine     *docker.Client
	discoverer *docker.Discoverer // of the same node
	files      *dockerfiles.Discoverer
	source     discovery.Source    // of every discovery, including the two above
	usage      *usage              // of container metrics
	matcher    *fileMatcher        // of files
	legacy     legacy              // of a source with positions
	client     *http.Client        // of a scrape
	pipelines  []*process.Pipeline // of stages, by index in the list; nil for those that are made for each log
	failures   *slog.Logger        // logs failed scrapes; nil if they are not logged
	loki       *loki.Endpoint
	remote     *remotewrite.Endpoint
	recent     *recent.Store

	logs    lighter.Logs // of an endpoint that takes entries
	reads   file.Reads   // of an endpoint that takes entries of files
	samples scrape.Sink  // of an endpoint that takes samples

	close  func() error                    // releases the resources; nil if there are none
	run    func(ctx context.Context) error // runs until ctx ends; nil if the part has no goroutine
	cancel context.CancelFunc              // nil while it does not run; this and the next two are guarded by Agent.applying
	done   chan struct{}
	err    error // result of run, once done is closed
}

func isDiscovery(n *node) bool {
	return n.part != nil && (n.part.source != nil || n.part.matcher != nil)
}

func isEndpoint(n *node) bool {
	return n.part != nil && (n.part.logs != nil || n.part.samples != nil)
}

// build makes the nodes of a valid plan: it reuses the parts of nodes that are unchanged from old, and
// makes the others, except for endpoints, which open makes. It does not change old. If it returns an error
// it also returns the graph, so that the new parts can be closed.
func (a *Agent) build(p *config.Plan, old *graph) (*graph, error) {
	g := &graph{plan: p, nodes: map[string]*node{}}
	var errs []error
	for _, n := range p.Nodes {
		built := &node{Node: n, hash: n.Hash()}
		g.nodes[n.Name] = built
		was := old.part(n.Name)
		if was != nil && old.nodes[n.Name].hash == built.hash {
			built.part = was
			continue
		}
		if err := a.makePart(built, was); err != nil {
			errs = append(errs, fmt.Errorf("node %q: %w", n.Name, err))
		} else if built.part != nil {
			a.identify(built.part)
		}
	}
	if len(errs) == 0 && (config.Has[loki.Config](p) || config.Has[remotewrite.Config](p) || config.Has[config.Echo](p) && p.Agent.DataDir != "") {
		errs = append(errs, a.openData(p.Agent.DataDir))
	}
	if errors.Join(errs...) == nil {
		a.readLegacy(g, old)
	}
	return g, errors.Join(errs...)
}

func (a *Agent) identify(p *part) {
	a.made++
	p.id = a.made
	if p.logs != nil {
		p.reads = file.NewReads(fileReads)
	}
}

// makePart makes the part of a node, unless it is an endpoint: for that it only checks whether it could be
// made. was is the part of the node with that name in the previous plan, or nil.
func (a *Agent) makePart(n *node, was *part) error {
	switch c := n.Args.(type) {
	case docker.Config:
		c.Name = n.Name
		client, err := docker.NewClient(c, a.o.Logger)
		if err != nil {
			return err
		}
		d := docker.New(c, client, a.o.Logger)
		d.EventsSince = func() int64 { return a.eventsSince(n.Name) }
		n.part = &part{engine: client, discoverer: d, source: d, close: client.Close}
	case config.Files:
		files := dockerfiles.New(c.Root, a.o.Logger)
		n.part = &part{files: files, source: files}
	case discoveryfile.Config:
		n.part = &part{source: discoveryfile.New(c, a.o.Logger.With("node", n.Name))}
	case discoveryhttp.Config:
		d, err := discoveryhttp.New(c, a.userAgent(), a.o.Logger.With("node", n.Name))
		if err != nil {
			return err
		}
		n.part = &part{source: d}
	case dns.Config:
		n.part = &part{source: dns.New(c, net.DefaultResolver, a.o.Logger.With("node", n.Name))}
	case config.Static:
		n.part = &part{source: static.New(c.Targets)}
	case config.Self:
		n.part = &part{source: pageSource{a: a, page: selfPage, job: selfJob, withPort: true}}
		if c.Job != "" {
			n.part.source = exporterSource(a, n.Name, selfPage, c.Job)
		}
	case config.LogMetricsPage:
		n.part = &part{source: pageSource{a: a, page: countPage, job: countJob}}
	case config.ContainerMetrics:
		u := newUsage(a, c, pageOf(n.Name))
		source := pageSource{a: a, page: pageOf(n.Name), job: containersJob, run: u.run}
		if c.CAdvisor != nil {
			source = exporterSource(a, n.Name, pageOf(n.Name), cadvisorJob)
			source.run = u.run
		}
		n.part = &part{usage: u, source: source}
	case config.HostMetrics:
		if c.Unix != nil {
			source := exporterSource(a, n.Name, pageOf(n.Name), unixJob)
			source.named = func(string) { a.addHostPage(pageOf(n.Name), c, "") }
			n.part = &part{source: source}
			break
		}
		n.part = &part{source: pageSource{a: a, page: pageOf(n.Name), job: hostJob, named: func(name string) { a.addHostPage(pageOf(n.Name), c, name) }}}
	case scrape.Config:
		c.Name = n.Name
		client, err := scrape.NewClient(c)
		if err != nil {
			return err
		}
		client.Transport = transport{a.own, client.Transport}
		n.part = &part{client: client, close: func() error { client.CloseIdleConnections(); return nil }}
		if c.FailureLogFile != "" {
			f, err := os.OpenFile(c.FailureLogFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
			if err != nil {
				return fmt.Errorf("the log of failed scrapes cannot be written: %w", err)
			}
			n.part.failures = slog.New(slog.NewJSONHandler(f, nil))
			n.part.close = func() error { client.CloseIdleConnections(); return f.Close() }
		}
	case config.Stages:
		all, err := a.stages.pipelines(n.Name, c.List)
		if err != nil {
			return err
		}
		if all != nil {
			n.part = &part{pipelines: all, close: func() error { closePipelines(all); return nil }}
		}
	case config.LogSource, config.JournalSource:
		n.part = &part{}
	case config.FileSource:
		if err := file.CheckEncoding(c.Encoding); err != nil {
			return err
		}
		n.part = &part{}
	case config.FileMatch:
		var before *fileMatcher
		if was != nil {
			before = was.matcher
		}
		m := newFileMatcher(c, before, a.o.Logger.With("node", n.Name))
		n.part = &part{matcher: m, run: func(ctx context.Context) error {
			m.run(ctx, a.reevaluate)
			return nil
		}}
	case config.Echo:
		n.part = &part{logs: echo{a.o.Logger.With("node", n.Name)}}
	case config.Recent:
		store := recent.New()
		n.part = &part{recent: store, logs: store, samples: store.Sink()}
	case loki.Config:
		if err := c.Check(); err != nil {
			return err
		}
		return checkHTTP(c.HTTP, c.Proxy)
	case remotewrite.Config:
		if err := c.Check(); err != nil {
			return err
		}
		return checkHTTP(c.HTTP, c.Proxy)
	}
	return nil
}

// fileReads is how many files are read concurrently for an endpoint, which determines the memory for
// reading.
const fileReads = 16

// checkHTTP checks whether a client can be made.
func checkHTTP(c promconfig.HTTPClientConfig, proxy lighter.Secret) error {
	c, err := send.ThroughProxy(c, proxy)
	if err == nil {
		_, err = promconfig.NewClientFromConfig(c, "check")
	}
	return err
}

// open makes the endpoints that do not exist yet, and divides the memory for log lines among all endpoints. Each
// has its own directory, named after it, so an earlier endpoint with that name must have been closed.
func (g *graph) open(a *Agent) error {
	var errs []error
	buffers, logEndpoints := map[string]bool{}, 0
	for range config.All[loki.Config](g.plan) {
		logEndpoints++
	}
	memory := max(logMemory/int64(max(logEndpoints, 1)), minLogMemory)
	for _, n := range g.plan.Nodes {
		built := g.nodes[n.Name]
		var dir string
		switch c := n.Args.(type) {
		case loki.Config:
			dir, built.err = a.openLoki(built, c, memory)
		case remotewrite.Config:
			dir, built.err = a.openRemoteWrite(built, c)
		}
		buffers[dir] = true
		if built.err != nil {
			errs = append(errs, built.err)
		} else if built.part != nil && built.part.id == 0 {
			a.identify(built.part)
		}
	}
	if a.data != nil {
		warnOfOrphans(a.data.dir, buffers, a.o.Logger)
	}
	return errors.Join(errs...)
}

// openLoki makes the part of a Loki endpoint, or gives the one that it has its share of the memory. It returns
// the directory of the endpoint's buffer.
func (a *Agent) openLoki(n *node, c loki.Config, memory int64) (dir string, err error) {
	if err := a.openData(a.process.DataDir); err != nil {
		return "", err
	}
	dir = filepath.Join(a.data.dir, logBuffers, n.Name)
	if n.part != nil {
		n.part.loki.SetMemory(memory)
		return dir, nil
	}
	c.Name, c.Dir, c.MaxBytes = n.Name, dir, a.process.BufferMax
	e, err := loki.New(c, loki.Options{UserAgent: a.userAgent(), FlushTimeout: flushTimeout, MemoryBytes: memory, Metrics: a.metrics.loki, Send: a.metrics.sending, Logger: a.o.Logger})
	if err == nil {
		n.part = &part{loki: e, logs: e, run: e.Run, close: e.Close}
	}
	return dir, err
}

// openRemoteWrite makes the part of a remote-write endpoint, unless it has one. It returns the directory of
// the endpoint's buffer.
func (a *Agent) openRemoteWrite(n *node, c remotewrite.Config) (dir string, err error) {
	if err := a.openData(a.process.DataDir); err != nil {
		return "", err
	}
	dir = filepath.Join(a.data.dir, metricBuffers, n.Name)
	if n.part != nil {
		return dir, nil
	}
	c.Name, c.Dir, c.MaxBytes = n.Name, dir, a.process.BufferMax
	e, err := remotewrite.New(c, remotewrite.Options{UserAgent: a.userAgent(), FlushTimeout: flushTimeout, Metrics: a.metrics.remote, SendMetrics: a.metrics.sending, Logger: a.o.Logger})
	if err == nil {
		n.part = &part{remote: e, samples: e, run: e.Run, close: e.Close}
	}
	return dir, err
}

func (a *Agent) userAgent() string { return "lighter/" + a.o.Version }

// openData opens the data directory, once.
func (a *Agent) openData(dir string) (err error) {
	if a.data == nil {
		if a.data, err = openData(dir, a.o.Logger); err == nil {
			a.positions.Store(a.data.positions)
		}
	}
	return err
}

// start starts the parts that do not run yet. Discoveries pass their targets to the agent.
func (g *graph) start(a *Agent) {
	for name, n := range g.nodes {
		p := n.part
		if p == nil || p.cancel != nil {
			continue
		}
		run := p.run
		if p.source != nil {
			run = func(ctx context.Context) error {
				err := p.source.Run(ctx, func(targets []lighter.Target) { a.update(ctx, name, targets) })
				if err != nil {
					err = fmt.Errorf("discovery %q: %w", name, err)
					a.fail(err)
				}
				return err
			}
		}
		if run == nil {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		p.cancel, p.done = cancel, make(chan struct{})
		go func() {
			defer close(p.done)
			p.err = run(ctx)
		}()
	}
}

// stop concurrently stops the parts of the nodes for which is returns true, and waits for them.
func (g *graph) stop(is func(*node) bool) error {
	var all []func() error
	for _, n := range g.nodes {
		p := n.part
		if p == nil || !is(n) || p.cancel == nil {
			continue
		}
		all = append(all, func() error {
			p.cancel()
			<-p.done
			return p.err
		})
	}
	return group(all)
}

// close releases the resources of the parts. No part may be running.
func (g *graph) close() error {
	var errs []error
	for _, n := range g.nodes {
		if n.part != nil && n.part.close != nil {
			errs = append(errs, n.part.close())
		}
	}
	return errors.Join(errs...)
}

// without returns the nodes whose parts other does not have.
func (g *graph) without(other *graph) *graph {
	left := &graph{plan: g.plan, nodes: map[string]*node{}}
	for name, n := range g.nodes {
		if n.part != nil && !other.has(n.part) {
			left.nodes[name] = n
		}
	}
	return left
}

// closeBut closes the parts that other does not have.
func (g *graph) closeBut(other *graph) error { return g.without(other).close() }

func (g *graph) has(p *part) bool {
	for _, n := range g.nodes {
		if n.part == p {
			return true
		}
	}
	return false
}

// part returns the part of a node, or nil.
func (g *graph) part(name string) *part {
	if n, ok := g.nodes[name]; ok {
		return n.part
	}
	return nil
}

// parts returns the parts of the named nodes.
func (g *graph) parts(names []string) (all []*part) {
	for _, name := range names {
		all = append(all, g.part(name))
	}
	return slices.DeleteFunc(all, func(p *part) bool { return p == nil })
}
