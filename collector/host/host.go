// Package host produces a page of the host's metrics: CPU, memory, load, filesystems, disks, network and
// pressure, under node_exporter's names.
//
// Most of the code is node_exporter's. With an Exporter, the page has everything that node_exporter's
// collectors find, as on node_exporter's own page. Without one, a Host passes on what node_exporter's
// published alerts and dashboards use: 119 series on a plain host with four CPUs, two disks, two interfaces
// and three filesystems, and eight more for each further CPU. It leaves out what Docker creates for its
// containers: their mounts and volumes, and their network interfaces.
//
// A program that makes no Host opens no file and starts no goroutine of this package.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// patience is how long a gather waits. A filesystem whose server is gone may not respond for days.
const patience = 5 * time.Second

// mayHang is how many runs of one source may hang at the same time. node_exporter skips a filesystem that
// has hung for five seconds, so that the next run reports the others. Each further filesystem that hangs
// costs a run.
const mayHang = 4

var errHangs = errors.New("it does not answer")

// Options configure a Host.
type Options struct {
	// Root is the directory at which the host's root is mounted. The host's /proc and /sys must be below
	// it, such as /host/proc and /host/sys for "/host". On the host itself, it is "/".
	Root string

	// Exporter configures an exporter of all metrics; nil means lighter's own selection. Root and Nodename
	// are not used with it.
	Exporter *Exporter

	// Nodename is the host's name in node_uname_info. If it is "", the name is the kernel's, which in a
	// container is that of the container.
	Nodename string

	Logger *slog.Logger
}

// Host is a prometheus.Gatherer of the host's metrics. It is safe for concurrent use, and need not be
// closed.
type Host struct {
	o       Options
	flags   *flags
	sources []*source

	mu      sync.Mutex
	failing map[string]string // the last error, by source name; guarded by mu
}

// source is one of node_exporter's collectors, or one of our own.
type source struct {
	name string
	updater
	running atomic.Int32
}

// updater is the interface that node_exporter calls Collector.
type updater interface {
	Update(chan<- prometheus.Metric) error
}

// New returns a Host. It returns an error if there is no /proc or /sys of a host below the root.
//
// The settings of node_exporter's code are global variables. A Host sets them before it gathers, unless it
// was also the last Host to gather. For that it must wait until nothing reads for the other Host any more:
// if a filesystem there hangs, New and Gather give up after five seconds.
func New(o Options) (*Host, error) {
	o.Root = filepath.Clean(o.Root)
	if o.Exporter != nil {
		if err := o.Exporter.Check(); err != nil {
			return nil, err
		}
		o.Root = o.Exporter.RootPath
	}
	f := flagsOf(o)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := acquire(ctx, f, 1); err != nil {
		return nil, err
	}
	defer release(1)
	sources, err := sourcesOf(o)
	if err != nil {
		return nil, err
	}
	return newHost(o, f, sources), nil
}

func newHost(o Options, f *flags, sources []*source) *Host {
	return &Host{o: o, flags: f, sources: sources, failing: map[string]string{}}
}

// Gather reads the metrics, which takes milliseconds. After five seconds it returns without those of
// sources that have not responded. It logs the failure of a source once, and leaves out the source's
// metrics.
func (h *Host) Gather() ([]*dto.MetricFamily, error) {
	metrics, err := h.read()
	if err != nil {
		return nil, err
	}
	r := prometheus.NewRegistry()
	r.MustRegister(metrics)
	families, err := r.Gather()
	h.report("page", err) // a duplicate series appears once on the page
	return h.choose(families), nil
}

// result is the outcome of one run of a source.
type result struct {
	source  *source
	metrics []prometheus.Metric
	err     error
}

// read runs all sources concurrently and returns the metrics that arrive in time.
func (h *Host) read() (metrics, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := acquire(ctx, h.flags, len(h.sources)); err != nil {
		return nil, err
	}
	results := make(chan result, len(h.sources))
	waiting := map[*source]bool{}
	for _, s := range h.sources {
		if s.running.Add(1) > mayHang {
			s.running.Add(-1)
			release(1)
			h.report(s.name, errHangs)
			continue
		}
		waiting[s] = true
		go func() {
			got, err := s.run()
			s.running.Add(-1)
			release(1)
			results <- result{s, got, err}
		}()
	}
	var all metrics
	for len(waiting) > 0 {
		select {
		case r := <-results:
			delete(waiting, r.source)
			all = append(all, r.metrics...)
			h.report(r.source.name, r.err)
		case <-ctx.Done():
			for s := range waiting {
				h.report(s.name, errHangs)
			}
			return all, nil
		}
	}
	return all, nil
}

// run returns the metrics of a source. Some of node_exporter's parsers panic on an unexpected file in
// /proc, which run returns as an error.
func (s *source) run() (got []prometheus.Metric, err error) {
	ch := make(chan prometheus.Metric)
	ended := make(chan error, 1)
	go func() {
		defer close(ch)
		defer func() {
			if v := recover(); v != nil {
				ended <- fmt.Errorf("it cannot read what is there: %v", v)
			}
		}()
		ended <- s.Update(ch)
	}()
	for m := range ch {
		got = append(got, m)
	}
	return got, <-ended
}

// report logs a failure when it begins, when its text changes, and when it is over.
func (h *Host) report(name string, err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	h.mu.Lock()
	before := h.failing[name]
	h.failing[name] = now
	h.mu.Unlock()
	switch {
	case now == before:
	case now == "":
		h.o.Logger.Info("metrics of the host are complete again", "part", name)
	default:
		h.o.Logger.Warn("metrics of the host are not complete", "part", name, "error", err)
	}
}

// metrics is a prometheus.Collector of metrics that have been read.
type metrics []prometheus.Metric

// Describe describes nothing, because the metrics are not known in advance.
func (m metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	for _, metric := range m {
		ch <- metric
	}
}

// choose returns the families that are passed on, with only the series that are passed on.
func (h *Host) choose(families []*dto.MetricFamily) []*dto.MetricFamily {
	if h.o.Exporter != nil {
		return families
	}
	families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return !wanted(f.GetName()) })
	mounts := mountsOf(families)
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool {
		if isFilesystem(f) {
			f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool { return !mounts.has(f, m) })
		}
		if f.GetName() == "node_uname_info" && h.o.Nodename != "" {
			for _, m := range f.Metric {
				set(m, "nodename", h.o.Nodename)
			}
		}
		return len(f.Metric) == 0
	})
}
