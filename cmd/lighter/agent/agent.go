// Package agent runs a plan: it builds the nodes of the graph, connects them, and changes them while they
// run.
//
// An Agent is the one place that knows all parts. New takes a plan, and Apply further ones; Status and
// Ready report what the agent does. It reads no flag, and no environment variable but GOGC and GOMEMLIMIT
// (limitMemory). It prints only by its logger.
//
// Data flows one way: discoveries find targets; relabel nodes transform them (evaluate); for each log on
// each path, and for each target of each scrape, a reader or a loop is kept running; those hand batches and
// samples to the endpoints. At the end, parts stop in that order, and the agent waits for each. When a plan
// changes, it waits only for those that use a part which is closed.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"lighter"
	"lighter/collector"
	"lighter/collector/pages"
	"lighter/collector/position"
	"lighter/collector/push"
	"lighter/collector/scrape"
	"lighter/collector/syslog"
	"lighter/collector/tail"
	"lighter/config"
	"lighter/exporters/budget"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
	"lighter/exporters/send"
)

const (
	// logMemory limits the log lines that are read and not acknowledged: 2 MiB for the request in progress,
	// because 1 MiB of short lines retains twice that, and 4 MiB for the next two. More makes nothing
	// faster. It is divided by the number of log endpoints of the plan. An endpoint gets at least
	// minLogMemory, so more than three may take more in total.
	logMemory = 6 << 20
	// minLogMemory is an endpoint's smallest share: a request, and the lines that are read in the meantime.
	minLogMemory = 2 << 20
	// flushTimeout is how long a clean stop continues to deliver.
	flushTimeout = 5 * time.Second
	// patience is how long a log stream is kept open while there is no room for its lines.
	patience = 2 * time.Second
	// forgetInterval is how often the agent checks for removed files.
	forgetInterval = time.Minute
	// forgetAfter is how long a file must have been gone before its position is forgotten.
	forgetAfter = time.Hour
	// drain is how long the reader of a container that is gone may take to reach the end of the log.
	drain = 10 * time.Second
)

// Options are an agent's dependencies and settings besides its plan. Port and OwnLog may be nil.
type Options struct {
	Version string // as shown, and sent in User-Agent
	Commit  string
	Logger  *slog.Logger
	Port    func() int // of the agent's own server, for the instance label of its own series
	OwnLog  *OwnLog    // Logger also writes to it, for sources that ship it
}

// Agent runs a plan. Call New and then Run, once each; Apply while it runs; Close at the end.
type Agent struct {
	o        Options
	started  time.Time
	registry *prometheus.Registry
	metrics  nodeMetrics
	own      *pages.Pages // pages of the process itself, for its scrape loops
	release  func()       // undoes limitMemory
	memory   int64        // limit of the process's memory; 0 if there is none

	data      *dataDir                       // nil while no endpoint needs it; guarded by applying
	positions atomic.Pointer[position.Store] // on disk; nil while there is no data directory
	inMemory  *position.Store                // for endpoints in memory, whose lines are never delivered

	tailers    *collector.Manager
	loops      *collector.Manager
	tailing    tail.Options    // shared by all tailers, without the fields that belong to a path
	buffers    *scrape.Buffers // memory for pages that are being read
	stages     stages          // shared by the stages of all logs
	budget     *budget.Budget  // counts what is sent
	memories   memories        // state of ended loops
	view       view            // wanted logs and targets, for Status
	containers existing        // by ID
	endings    endings         // last states of ended tailers

	graph atomic.Pointer[graph] // running, or about to run

	applying sync.Mutex // held by Apply, and by Run while it starts and stops
	running  bool       // guarded by applying
	made     uint64     // number of parts that were made; guarded by applying
	fail     context.CancelCauseFunc
	stopping atomic.Bool // no more plans are accepted

	process config.Agent // settings of the process at the start

	missing map[string]time.Time // since when files are missing, by position key; owned by forgetFiles

	mu        sync.Mutex                  // guards the fields below, and is held while targets are evaluated; locked after applying
	found     map[string][]lighter.Target // by discovery
	unlisted  map[string]bool             // IDs of containers found by a discovery that was removed since: nobody lists them
	pathBegan map[string]time.Time        // when the plan first had a path, by the path's prefix
	watching  watching
}

// nodeMetrics count what the parts of all nodes do.
type nodeMetrics struct {
	queue   *prometheus.GaugeVec
	loki    *loki.Metrics
	remote  *remotewrite.Metrics
	sending *send.Metrics
	scrape  *scrape.Metrics
	push    *push.Metrics
	syslog  *syslog.Metrics

	unlabelled prometheus.Counter
}

// New builds the nodes of a plan. It returns an error for everything that can fail at the start: a plan
// that is not valid, settings from which no client can be made, a data directory that cannot be written.
// The caller must call Close.
func New(p *config.Plan, o Options) (*Agent, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if o.OwnLog == nil {
		o.OwnLog = NewOwnLog()
	}
	pageMemory, release := limitMemory(o.Logger, memlimit.FromCgroup)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	queue := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lighter_queue_bytes", Help: "Bytes waiting to be sent to an endpoint, in memory or on disk."}, []string{"endpoint", "in"})
	registry.MustRegister(queue)
	a := &Agent{
		o:        o,
		started:  time.Now(),
		registry: registry,
		own:      pages.New(),
		release:  release,
		memory:   memoryLimit(memlimit.FromCgroup),
		metrics: nodeMetrics{
			queue:   queue,
			loki:    loki.NewMetrics(registry, queue),
			remote:  remotewrite.NewMetrics(registry, queue),
			sending: send.NewMetrics(registry),
			scrape:  scrape.NewMetrics(registry),
			push:    push.NewMetrics(registry),
			syslog:  syslog.NewMetrics(registry),
			unlabelled: prometheus.NewCounter(prometheus.CounterOpts{
				Name: "lighter_log_lines_unlabelled_total", Help: "Log lines that were dropped because stages or rules left their stream without labels; Loki refuses such streams."}),
		},
		inMemory: position.InMemory(),
		buffers:  scrape.NewBuffers(pageMemory),
		tailing: tail.Options{
			Buffers:  &tail.Buffers{},
			Metrics:  tail.NewMetrics(registry),
			Logger:   o.Logger,
			Patience: patience,
		},
		found:     map[string][]lighter.Target{},
		unlisted:  map[string]bool{},
		pathBegan: map[string]time.Time{},
		process:   p.Agent,
	}
	a.stages = newStages(p, registry, o.Logger)
	a.own.Add(selfPage, pages.Own(registry))
	a.own.Add(countPage, a.stages.counted.Gatherer())
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lighter_build_info", Help: "Always 1; the labels describe the build."}, []string{"version", "commit", "goversion"})
	build.WithLabelValues(o.Version, o.Commit, runtime.Version()).Set(1)
	registry.MustRegister(o.OwnLog.dropped, a.metrics.unlabelled, build, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lighter_log_lag_seconds", Help: "Age of the oldest log line that was read but is not yet delivered, or 0 if there is none. For lines on disk, it is the time since they were written there."}, a.lag))
	a.tailers = collector.NewManager(drain, a.tailerEnded)
	a.loops = collector.NewManager(0, a.loopEnded)
	g, err := a.build(p, &graph{plan: &config.Plan{}})
	if err == nil {
		a.budget = budget.New(budget.Options{LogBytes: p.Agent.BudgetLogs, Series: p.Agent.BudgetSeries, File: a.budgetFile(), Logger: o.Logger})
		registry.MustRegister(a.budget)
		err = g.open(a)
	}
	if err != nil {
		return nil, errors.Join(err, g.close(), a.Close())
	}
	a.graph.Store(g)
	a.watch(g)
	a.listenToOwnLog(g)
	return a, nil
}

// Metrics returns the agent's own metrics, and those counted from logs.
func (a *Agent) Metrics() prometheus.Gatherer {
	return prometheus.Gatherers{a.registry, a.stages.counted.Gatherer()}
}

// Run runs the plan until ctx ends, and then returns nil, or until a part of it cannot continue.
func (a *Agent) Run(ctx context.Context) error {
	asked := ctx
	ctx, a.fail = context.WithCancelCause(ctx)
	defer a.fail(nil)
	var counting errgroup.Group
	counting.Go(func() error { return a.budget.Run(ctx) })
	counting.Go(func() error {
		for tick := time.NewTicker(forgetInterval); ; {
			a.forgetFiles(time.Now())
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
	a.applying.Lock()
	a.running = true
	a.startNew()
	a.applying.Unlock()

	<-ctx.Done()
	err := counting.Wait()
	a.stopping.Store(true) // for callers waiting to apply a plan
	a.applying.Lock()
	defer a.applying.Unlock()
	a.running = false
	g := a.graph.Load()
	err = errors.Join(err, g.stop(isDiscovery))
	a.tailers.Stop() // nobody appends from here on
	a.loops.Stop()
	a.watching.stop()
	err = errors.Join(err, g.stop(isEndpoint))
	if asked.Err() == nil {
		err = cmp.Or(err, context.Cause(ctx))
	}
	return err
}

// budgetFile returns the path of the budget's file, or "" while there is no data directory.
func (a *Agent) budgetFile() string {
	if a.data == nil {
		return ""
	}
	return filepath.Join(a.data.dir, "budget.json")
}

// startNew starts parts that do not run yet, and makes the managers run what is wanted. The caller holds
// applying.
func (a *Agent) startNew() {
	a.graph.Load().start(a)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.syncLocked()
}

// lag returns the age in seconds of the oldest line that waits for an endpoint, in memory or on disk.
func (a *Agent) lag() float64 {
	now := time.Now()
	oldest := now
	if stored := a.positions.Load(); stored != nil {
		if at := stored.Oldest(); at != 0 {
			oldest = time.Unix(0, at)
		}
	}
	for _, n := range a.graph.Load().nodes {
		if n.part == nil || n.part.loki == nil {
			continue
		}
		if at := n.part.loki.Oldest(); !at.IsZero() && at.Before(oldest) {
			oldest = at
		}
	}
	return max(now.Sub(oldest).Seconds(), 0)
}

// Close releases the resources of New. Run must have returned, or never been called. The positions are
// closed last, because acknowledgements move them.
func (a *Agent) Close() error {
	var errs []error
	if g := a.graph.Load(); g != nil {
		errs = append(errs, g.close())
	}
	a.watching.stop()
	if a.data != nil {
		errs = append(errs, a.data.close())
	}
	a.release()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// group runs functions concurrently and joins their errors.
func group(all []func() error) error {
	var g errgroup.Group
	errs := make([]error, len(all))
	for i, f := range all {
		g.Go(func() error { errs[i] = f(); return nil })
	}
	_ = g.Wait()
	return errors.Join(errs...)
}
