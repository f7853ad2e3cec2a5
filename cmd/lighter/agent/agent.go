// Package agent runs a plan: it builds the nodes of the graph, joins them, and changes them while
// they run.
//
// An Agent is the one place that knows all parts. A plan comes in by New, and others by Apply; what
// the agent does comes out by Status and Ready. It knows no flag, and no environment variable but GOGC
// and GOMEMLIMIT (limitMemory). It prints nothing but by its logger.
//
// Data flows one way: discoveries find targets; relabel nodes turn them (evaluate); for each log on
// each path, and for each target of each scrape, a reader or a loop is kept running; those hand
// batches and samples to the endpoints. At the end parts stop in that order, and each is waited for.
// When a plan changes, only those are waited for that use a part which is closed.
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
	// logMemory bounds the log lines that are read and not acknowledged: 2 MiB for the request under
	// way, because 1 MiB of short lines keeps twice that, and 4 MiB for the next two. More makes nothing
	// faster. It is divided by the number of log endpoints that the plan has. An endpoint gets at least
	// minLogMemory, so more than three take more in all.
	logMemory = 6 << 20
	// minLogMemory is an endpoint's share at least: a request, and what is read meanwhile.
	minLogMemory = 2 << 20
	// flushTimeout is how long a clean stop goes on delivering (CONTRACT, guarantee 10).
	flushTimeout = 5 * time.Second
	// patience is how long a log stream is kept open while there is no room for its lines.
	patience = 2 * time.Second
	// forgetInterval is how often it is looked for files that were removed.
	forgetInterval = time.Minute
	// forgetAfter is how long a file must have been gone before its position is forgotten.
	forgetAfter = time.Hour
	// drain is how long the reader of a container that is gone may take to its end.
	drain = 10 * time.Second
)

// Options are what an agent is given beside its plan. Port and OwnLog may be nil.
type Options struct {
	Version string // as shown, and sent in User-Agent
	Commit  string
	Logger  *slog.Logger
	Port    func() int // of the agent's own server, for the instance label of its own series
	OwnLog  *OwnLog    // what Logger writes to, beside where people read it, for sources that ship it
}

// Agent runs a plan. New, then Run, once each; Apply while it runs; Close at the end.
type Agent struct {
	o        Options
	started  time.Time
	registry *prometheus.Registry
	metrics  nodeMetrics
	own      *pages.Pages // that the process makes itself, for its scrape loops
	release  func()       // ends what limitMemory has started

	data      *dataDir                       // nil while no endpoint needs it; guarded by applying
	positions atomic.Pointer[position.Store] // on disk; nil while there is no data directory
	inMemory  *position.Store                // of what is kept in memory only: nothing of it is delivered

	tailers    *collector.Manager
	loops      *collector.Manager
	tailing    tail.Options    // what all tailers share; the rest is the path's
	buffers    *scrape.Buffers // memory for pages that are being read
	stages     stages          // what the stages of all logs share
	budget     *budget.Budget  // counts what is sent
	memories   memories        // what loops that have ended know of their targets
	view       view            // what is wanted, for Status
	containers existing        // by id
	endings    endings         // what tailers said at their end

	graph atomic.Pointer[graph] // that runs, or is to run

	applying sync.Mutex // held by Apply, and by Run while it starts and stops
	running  bool       // guarded by applying
	made     uint64     // number of parts that were made; guarded by applying
	fail     context.CancelCauseFunc
	stopping atomic.Bool // no plan is taken any more

	process config.Agent // settings of the process, as they were at the start

	missing map[string]time.Time // since when files are missing, by the key of their position; owned by forgetFiles

	mu        sync.Mutex                  // guards what follows, and is held while targets are evaluated; taken after applying
	found     map[string][]lighter.Target // by discovery
	unlisted  map[string]bool             // ids of containers that a discovery had found which was left out since: nobody lists them
	pathBegan map[string]time.Time        // when the plan first had a path, by its prefix
	watchers  map[string]*watching        // by the prefix of a path that reads containers' logs from files

	fileWatcher fileWatching
}

// nodeMetrics are what the parts of all nodes count.
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

// New builds the nodes of a plan. What can fail at the start fails here: a plan that is not valid,
// settings that no client can be made of, a data directory that cannot be written. Close the agent.
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
		Name: "lighter_queue_bytes", Help: "Bytes that wait for an endpoint, in memory or on disk."}, []string{"endpoint", "in"})
	registry.MustRegister(queue)
	a := &Agent{
		o:        o,
		started:  time.Now(),
		registry: registry,
		own:      pages.New(),
		release:  release,
		metrics: nodeMetrics{
			queue:   queue,
			loki:    loki.NewMetrics(registry, queue),
			remote:  remotewrite.NewMetrics(registry, queue),
			sending: send.NewMetrics(registry),
			scrape:  scrape.NewMetrics(registry),
			push:    push.NewMetrics(registry),
			syslog:  syslog.NewMetrics(registry),
			unlabelled: prometheus.NewCounter(prometheus.CounterOpts{
				Name: "lighter_log_lines_unlabelled_total", Help: "Log lines that were left out because stages or rules left their stream without labels, which Loki refuses."}),
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
		watchers:  map[string]*watching{},
	}
	a.stages = newStages(p, registry, o.Logger)
	a.own.Add(selfPage, pages.Own(registry))
	a.own.Add(countPage, a.stages.counted.Gatherer())
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lighter_build_info", Help: "Is 1; its labels say what was built."}, []string{"version", "commit", "goversion"})
	build.WithLabelValues(o.Version, o.Commit, runtime.Version()).Set(1)
	registry.MustRegister(o.OwnLog.dropped, a.metrics.unlabelled, build, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lighter_log_lag_seconds", Help: "Age of the oldest log line that is read and not delivered, of those on disk since they came there; 0 if there is none."}, a.lag))
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

// Metrics has the agent's own metrics, and those that were counted from logs.
func (a *Agent) Metrics() prometheus.Gatherer {
	return prometheus.Gatherers{a.registry, a.stages.counted.Gatherer()}
}

// Run runs the plan until ctx ends, which it reports as nil, or until a part of it cannot go on.
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
	a.stopping.Store(true) // for who waits to apply a plan
	a.applying.Lock()
	defer a.applying.Unlock()
	a.running = false
	g := a.graph.Load()
	err = errors.Join(err, g.stop(isDiscovery))
	a.tailers.Stop() // from here nobody appends
	a.loops.Stop()
	a.stopWatching(nil)
	a.fileWatcher.stop()
	err = errors.Join(err, g.stop(isEndpoint))
	if asked.Err() == nil {
		err = cmp.Or(err, context.Cause(ctx))
	}
	return err
}

// budgetFile returns where is kept what the budget has counted; it is empty while there is no data directory.
func (a *Agent) budgetFile() string {
	if a.data == nil {
		return ""
	}
	return filepath.Join(a.data.dir, "budget.json")
}

// startNew starts what does not run yet, and has the managers run what is wanted. applying is held.
func (a *Agent) startNew() {
	a.graph.Load().start(a)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.syncLocked()
}

// lag returns the age of the oldest line that waits for an endpoint, in memory or on disk,
// in seconds.
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

// Close gives back what New took. Run must have returned, or never been called. The positions go
// last: acknowledgements move them.
func (a *Agent) Close() error {
	var errs []error
	if g := a.graph.Load(); g != nil {
		errs = append(errs, g.close())
	}
	a.stopWatching(nil)
	a.fileWatcher.stop()
	if a.data != nil {
		errs = append(errs, a.data.close())
	}
	a.release()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// group runs functions side by side and joins their errors.
func group(all []func() error) error {
	var g errgroup.Group
	errs := make([]error, len(all))
	for i, f := range all {
		g.Go(func() error { errs[i] = f(); return nil })
	}
	_ = g.Wait()
	return errors.Join(errs...)
}
