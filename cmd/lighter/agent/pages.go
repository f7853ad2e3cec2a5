package agent

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/host"
	"lighter/config"
)

// The pages of metrics that the process itself produces, by the host of their address. No network has these
// names.
const (
	pageDomain = ".lighter.internal"
	selfPage   = "self" + pageDomain // the agent's own metrics
	countPage  = "logs" + pageDomain // what stages have counted
)

// pageOf returns the host of a node's page, for kinds that a plan may contain several times.
func pageOf(node string) string { return node + pageDomain }

// The job label of each page. Published dashboards select containers and hosts by the last two.
const (
	selfJob       = "lighter"
	countJob      = "lighter-logs"
	containersJob = "integrations/docker"
	hostJob       = "integrations/node_exporter"
)

// The job label of pages that imitate Alloy's exporters.
const (
	unixJob     = "integrations/unix"
	cadvisorJob = "integrations/cadvisor"
)

// pageSource is a page as a target. It waits a moment for the Engine to report the host's name, because in
// a container the agent's own name for it changes with the container.
type pageSource struct {
	a        *Agent
	page     string
	job      string
	exporter string                    // the name of the node if the target has the labels of an Alloy exporter, or ""
	withPort bool                      // instance has the port of the agent's own server
	named    func(host string)         // adds the page once the host's name is known; nil if the page exists
	run      func(ctx context.Context) // adds and produces the page; nil if nothing needs to run
}

// exporterSource returns a page as the target of an Alloy exporter, whose instance is the name of the
// agent's own system.
func exporterSource(a *Agent, node, page, job string) pageSource {
	return pageSource{a: a, page: page, job: job, exporter: node}
}

// ownHostname returns Alloy's name of its host.
func ownHostname() string {
	if name := os.Getenv("HOSTNAME"); name != "" {
		return name
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "unknown"
}

const hostPatience = 10 * time.Second

func (s pageSource) Run(ctx context.Context, update func([]lighter.Target)) error {
	if s.run != nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(ctx)
		}()
		defer func() { <-done }()
	}
	target := labels.NewBuilder(labels.FromStrings("__address__", s.page, "job", s.job))
	instance := ""
	if s.exporter != "" {
		instance = ownHostname()
		target.Set("__scheme__", "http")
		target.Set("__metrics_path__", "/api/v0/component/"+s.exporter+"/metrics")
		target.Set("__meta_component_id", s.exporter)
		kind := s.exporter
		if i := strings.LastIndexByte(kind, '.'); i > 0 {
			kind = kind[:i]
		}
		target.Set("__meta_component_name", kind)
	} else if instance = s.a.hostName(ctx, hostPatience); ctx.Err() != nil {
		return nil
	}
	if s.named != nil {
		s.named(instance)
		defer s.a.own.Remove(s.page)
	}
	if s.withPort && s.a.o.Port != nil {
		instance = fmt.Sprintf("%s:%d", instance, s.a.o.Port())
	}
	target.Set("instance", instance)
	update([]lighter.Target{{Labels: target.Labels()}})
	<-ctx.Done()
	return nil
}

// addHostPage adds the page of the host's metrics. If its files do not exist, that is logged, and the page
// fails.
func (a *Agent) addHostPage(page string, c config.HostMetrics, name string) {
	h, err := host.New(host.Options{Root: c.Root, Exporter: c.Unix, Nodename: name, Logger: a.o.Logger})
	if err != nil {
		if c.Unix != nil {
			a.o.Logger.Error("host metrics are not available; mount the host's /proc and /sys read-only at procfs_path and sysfs_path", "error", err)
		} else {
			a.o.Logger.Error("host metrics are not available; mount the host's root read-only at the path in "+lighter.SettingHostRoot, "error", err)
		}
		a.own.Add(page, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, err }))
		return
	}
	if c.Unix != nil {
		a.own.AddText(page, h)
		return
	}
	a.own.Add(page, h)
}

// transport serves the pages of the process itself, and passes other requests to the network.
type transport struct {
	own     http.RoundTripper
	network http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Host, pageDomain) {
		return t.own.RoundTrip(r)
	}
	return t.network.RoundTrip(r)
}

func (t transport) CloseIdleConnections() {
	if c, ok := t.network.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
