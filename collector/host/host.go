// Package host makes a page of the host's metrics: CPU, memory, load, filesystems, disks, network and
// pressure, under the names that node_exporter gives them.
//
// Most of it is node_exporter's own code. With an Exporter the page has all that node_exporter's collectors
// find, as node_exporter itself has it. Without one, of what that code finds, a Host passes on what node_exporter's
// published alerts and dashboards ask for: 119 series on a plain host of four CPUs with two disks, two
// interfaces and three filesystems, and eight more for each further CPU. What Docker makes for
// its containers is left out: their mounts and volumes, and their ends of the network.
//
// A program that makes no Host opens no file and starts no goroutine here.
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

// A gather waits this long. A filesystem whose server is gone may not answer for days.
const patience = 5 * time.Second

// So many runs of one source may hang at a time. node_exporter leaves a filesystem out once it has
// hung for five seconds, so that the next run tells of the others; each that hangs later costs a run.
const mayHang = 4

var errHangs = errors.New("it does not answer")

// Options are what a Host is made of.
type Options struct {
	// Root is the directory at which the host's root is mounted. The host's /proc and /sys must be below
	// it: /host/proc and /host/sys for "/host". On the host itself it is "/".
	Root string

	// Exporter is what an exporter of all metrics is set to; nil is a choice of ours. Root and Nodename are not
	// used with it.
	Exporter *Exporter

	// Nodename is what node_uname_info says of the host's name. In a container the kernel says the
	// container's, which is what "" leaves there.
	Nodename string

	Logger *slog.Logger
}

// Host is a prometheus.Gatherer of the host's metrics. It is safe for concurrent use, and there is
// nothing to close.
type Host struct {
	o       Options
	flags   *flags
	sources []*source

	mu      sync.Mutex
	failing map[string]string // what failed last, by the source's name; guarded by mu
}

// source is one of node_exporter's collectors, or one of ours.
type source struct {
	name string
	updater
	running atomic.Int32
}

// updater is what node_exporter calls a Collector.
type updater interface {
	Update(chan<- prometheus.Metric) error
}

// New returns a Host. The error says that there is no /proc or /sys of a host below the root.
//
// The settings of node_exporter's code belong to the process. A Host sets them before it gathers, if it
// is not the Host that gathered last. That has to wait for what still reads for
// the other: if a filesystem there hangs, New and Gather give up after five seconds.
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

// Gather reads the metrics, which takes milliseconds. After five seconds it returns without those of a
// source that has not answered. A source that fails is logged, once, and leaves its metrics out.
func (h *Host) Gather() ([]*dto.MetricFamily, error) {
	metrics, err := h.read()
	if err != nil {
		return nil, err
	}
	r := prometheus.NewRegistry()
	r.MustRegister(metrics)
	families, err := r.Gather()
	h.report("page", err) // a series that there is twice is on the page once
	return h.choose(families), nil
}

// result is what one run of a source gave.
type result struct {
	source  *source
	metrics []prometheus.Metric
	err     error
}

// read runs all sources at once and returns what they gave in time.
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

// run returns the metrics of a source. Some of node_exporter's parsers panic when a file of /proc is
// not as they know it; that is an error here.
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

// report logs what fails when it begins, when it fails in another way, and when it is over.
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
		h.o.Logger.Warn("metrics of the host are not complete", "part", name, "err", err)
	}
}

// metrics is a prometheus.Collector of what has been read.
type metrics []prometheus.Metric

// Describe describes nothing: nobody knows the metrics beforehand.
func (m metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	for _, metric := range m {
		ch <- metric
	}
}

// choose returns the families that are passed on, without the series that are not.
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
