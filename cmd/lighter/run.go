package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"lighter/cmd/lighter/web"
	"lighter/collector"
	"lighter/collector/filelog"
	"lighter/collector/position"
	"lighter/collector/scrape"
	"lighter/collector/tail"
	"lighter/config"
	"lighter/discovery"
	"lighter/discovery/docker"
	"lighter/discovery/dockerfiles"
	"lighter/discovery/static"
	"lighter/exporters"
	"lighter/exporters/loki"
	"lighter/exporters/recent"
	"lighter/exporters/remotewrite"
	"lighter/exporters/send"
)

const (
	// logMemory is what log lines may take between being read and being acknowledged, over
	// all containers and endpoints: the request under way, of 1 MiB of lines that take two of
	// memory where they are short, and twice that behind it. More makes nothing faster.
	logMemory = 6 << 20
	// flushTimeout is how long a clean stop goes on delivering (CONTRACT, guarantee 10).
	flushTimeout = 5 * time.Second
	// patience is how long a log stream is kept open while there is no room for its lines.
	patience = 2 * time.Second
	// drain is how long the reader of a container that is gone may take to its end.
	drain = 10 * time.Second
)

// agentOptions is what an agent is given beside its plan. Only listening may be nil.
type agentOptions struct {
	version   string // as shown and sent in User-Agent
	commit    string
	logger    *slog.Logger
	listening func(url string) // called once, when the agent's own server has its address
}

// runAgent puts the agent together and runs it until ctx ends. It returns nil after a
// clean stop, and an error if it could not start.
func runAgent(ctx context.Context, p *config.Plan, o agentOptions) error {
	limitMemory(o.logger)
	a, err := newAgent(p, o)
	if err != nil {
		return err
	}
	unmapStart(o.logger)
	defer time.AfterFunc(startTime, func() { unmapStart(o.logger) }).Stop()
	return errors.Join(a.run(ctx), a.close())
}

// agent is everything that runs. It is the one place that knows all parts.
type agent struct {
	plan    *config.Plan
	o       agentOptions
	started time.Time

	server    *web.Server
	engines   map[string]*docker.Client          // by discovery
	files     map[string]*dockerfiles.Discoverer // by discovery
	discovery *discovery.Manager
	data      *dataDir // nil in local mode
	positions *position.Store
	tailers   *collector.Manager
	loops     *collector.Manager
	logs      map[string]*exporters.LogGroup // by log source
	loki      []*loki.Endpoint
	remote    map[string]*remotewrite.Endpoint
	recent    *recent.Store // local mode; else nil

	tailing  tail.Options     // what all tailers share; Sink, Begin and MaxLineBytes are the source's
	watcher  *filelog.Watcher // nil where no files are read
	scraping map[string]scrape.Options

	view       view       // what discovery found last
	containers containers // those that exist
	endings    endings    // what tailers said at their end
}

// newAgent makes all parts. What can fail at the start fails here: settings that no
// client can be made of, a data directory that cannot be written, a port in use.
func newAgent(p *config.Plan, o agentOptions) (_ *agent, err error) {
	a := &agent{
		plan:     p,
		o:        o,
		started:  time.Now(),
		engines:  map[string]*docker.Client{},
		files:    map[string]*dockerfiles.Discoverer{},
		logs:     map[string]*exporters.LogGroup{},
		remote:   map[string]*remotewrite.Endpoint{},
		scraping: map[string]scrape.Options{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	queue := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lighter_queue_bytes", Help: "Bytes that wait for an endpoint, in memory or on disk."}, []string{"endpoint", "in"})
	reg.MustRegister(queue)

	if len(p.Loki)+len(p.Remote) == 0 {
		a.recent = recent.New()
		a.positions = position.InMemory() // nothing is delivered: a backend set later gets it all
	} else {
		if a.data, err = openData(p.Agent.DataDir, o.logger); err != nil {
			return nil, err
		}
		a.positions = a.data.positions
	}
	if err := a.makeExporters(reg, queue); err != nil {
		return nil, err
	}
	if err := a.makeCollectors(reg); err != nil {
		return nil, err
	}
	a.server = web.New(web.Options{Source: a, Metrics: reg, Logger: o.logger})
	if err := a.server.Listen(p.Agent.Listen); err != nil {
		return nil, err
	}
	return a, a.makeDiscovery()
}

// makeExporters makes an endpoint for each backend, and a group of them for each log source.
func (a *agent) makeExporters(reg prometheus.Registerer, queue *prometheus.GaugeVec) error {
	sending := send.NewMetrics(reg)
	userAgent := "lighter/" + a.o.version
	byName := map[string]exporters.LogEndpoint{}
	logMetrics := loki.NewMetrics(reg, queue)
	buffers := map[string]bool{}
	for _, c := range a.plan.Loki {
		c.Dir, c.MaxBytes = filepath.Join(a.plan.Agent.DataDir, logBuffers, c.Name), a.plan.Agent.BufferMax
		e, err := loki.New(c, loki.Options{UserAgent: userAgent, FlushTimeout: flushTimeout, Metrics: logMetrics, Send: sending, Logger: a.o.logger})
		if err != nil {
			return err
		}
		buffers[c.Dir] = true
		a.loki = append(a.loki, e)
		byName[c.Name] = e
	}
	metrics := remotewrite.NewMetrics(reg, queue)
	for _, c := range a.plan.Remote {
		c.Dir, c.MaxBytes = filepath.Join(a.plan.Agent.DataDir, metricBuffers, c.Name), a.plan.Agent.BufferMax
		e, err := remotewrite.New(c, remotewrite.Options{UserAgent: userAgent, FlushTimeout: flushTimeout, Metrics: metrics, SendMetrics: sending, Logger: a.o.logger})
		if err != nil {
			return err
		}
		buffers[c.Dir] = true
		a.remote[c.Name] = e
	}
	if a.data != nil {
		warnOfOrphans(a.plan.Agent.DataDir, buffers, a.o.logger)
	}
	for _, s := range a.plan.Logs {
		var to []exporters.LogEndpoint
		for _, name := range s.To {
			to = append(to, byName[name])
		}
		if a.recent != nil {
			to = append(to, a.recent)
		}
		a.logs[s.Name] = exporters.NewLogGroup(logMemory, to...)
	}
	return nil
}

// makeCollectors makes the managers of tailers and scrape loops, which have nothing to run yet.
func (a *agent) makeCollectors(reg prometheus.Registerer) error {
	a.tailing = tail.Options{
		Positions: a.positions,
		Buffers:   &tail.Buffers{},
		Metrics:   tail.NewMetrics(reg),
		Logger:    a.o.logger,
		Patience:  patience,
	}
	if slices.ContainsFunc(a.plan.Logs, func(s config.LogSource) bool { return s.Root != "" }) {
		a.watcher = filelog.NewWatcher(a.o.logger)
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lighter_log_lag_seconds", Help: "Age of the oldest log line that is read and not delivered, of those on disk since they came there; 0 if there is none."}, a.lag))
	metrics, buffers := scrape.NewMetrics(reg), scrape.NewBuffers()
	for _, s := range a.scrapes() {
		client, err := scrape.NewClient(s.Config)
		if err != nil {
			return err
		}
		var sinks []scrape.Sink
		for _, name := range s.To {
			sinks = append(sinks, a.remote[name])
		}
		if a.recent != nil {
			sinks = append(sinks, a.recent.Sink())
		}
		a.scraping[s.Name] = scrape.Options{Client: client, Sinks: sinks, Buffers: buffers, UserAgent: "lighter/" + a.o.version, Metrics: metrics, Logger: a.o.logger}
	}
	a.tailers = collector.NewManager(drain, a.tailerEnded)
	a.loops = collector.NewManager(0, a.loopEnded)
	return nil
}

// lag returns the age of the oldest line that waits for an endpoint, in memory or on disk,
// in seconds.
func (a *agent) lag() float64 {
	now := time.Now()
	oldest := now
	if at := a.positions.Oldest(); at != 0 {
		oldest = time.Unix(0, at)
	}
	for _, e := range a.loki {
		if at := e.Oldest(); !at.IsZero() && at.Before(oldest) {
			oldest = at
		}
	}
	return max(now.Sub(oldest).Seconds(), 0)
}

// makeDiscovery makes the sources of targets.
func (a *agent) makeDiscovery() error {
	sources := map[string]discovery.Source{}
	for _, c := range a.plan.Docker {
		client, err := docker.NewClient(c, a.o.logger)
		if err != nil {
			return err
		}
		a.engines[c.Name] = client
		sources[c.Name] = docker.New(c, client, a.o.logger)
	}
	for _, f := range a.plan.Files {
		a.files[f.Name] = dockerfiles.New(f.Root, a.o.logger)
		sources[f.Name] = a.files[f.Name]
	}
	for _, s := range a.plan.Static {
		sources[s.Name] = static.New(s.Targets)
	}
	if a.selfScraped() {
		sources[selfName] = selfSource{a}
	}
	a.discovery = discovery.NewManager(sources, a.sync)
	return nil
}

// run runs the parts until ctx ends, and stops them in the order of the data: first what
// finds, then what reads, then what delivers; the server goes on until then.
func (a *agent) run(ctx context.Context) error {
	if a.o.listening != nil {
		a.o.listening(a.server.URL())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	delivering, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	defer stopWatching()
	defer stopDelivering()

	var server, watcher, delivery errgroup.Group
	server.Go(func() error {
		err := a.server.Run(serving)
		if err != nil {
			cancel(err)
		}
		return err
	})
	if a.watcher != nil {
		watcher.Go(func() error {
			err := a.watcher.Run(watching)
			if err != nil {
				cancel(err)
			}
			return err
		})
	}
	for _, g := range a.logs {
		delivery.Go(func() error { return g.Run(delivering) })
	}
	for _, e := range a.remote {
		delivery.Go(func() error { return e.Run(delivering) })
	}
	err := a.discovery.Run(ctx)
	a.tailers.Stop() // from here nobody appends
	a.loops.Stop()
	stopWatching()
	stopDelivering()
	err = errors.Join(err, watcher.Wait(), delivery.Wait())
	stopServing()
	return errors.Join(err, server.Wait())
}

// close gives back what newAgent took. The positions go last: acknowledgements move them.
func (a *agent) close() error {
	var errs []error
	if a.server != nil {
		errs = append(errs, a.server.Close())
	}
	if a.watcher != nil {
		errs = append(errs, a.watcher.Close())
	}
	for _, c := range a.engines {
		errs = append(errs, c.Close())
	}
	for _, e := range a.loki {
		errs = append(errs, e.Close())
	}
	if a.data != nil {
		errs = append(errs, a.data.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}
