package containers

import (
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
)

// CAdvisor determines which of cAdvisor's metrics the page has. Its series have cAdvisor's labels: id,
// name, image, and those of Container.Further. As on cAdvisor's page, containers that do not run have no
// series.
type CAdvisor struct {
	Enabled  []string // kinds of metrics; if empty, all except Disabled
	Disabled []string // kinds of metrics; if empty, those that cAdvisor disables by default
}

// The kinds of metrics that cAdvisor knows. The page has no metrics of those that kindOf never returns.
var kinds = []string{
	"advtcp", "app", "cpu", "cpu_topology", "cpuLoad", "cpuset", "disk", "diskIO", "hugetlb", "memory", "memory_numa",
	"network", "oom_event", "percpu", "perf_event", "pressure", "process", "referenced_memory", "resctrl", "sched", "tcp", "udp",
}

// kindOf returns the kind of a metric, or "" for a metric that is always present.
func kindOf(family string) string {
	switch {
	case strings.HasPrefix(family, "container_cpu_"):
		return "cpu"
	case strings.HasPrefix(family, "container_memory_"):
		return "memory"
	case strings.HasPrefix(family, "container_network_"):
		return "network"
	case family == "container_fs_usage_bytes":
		return "disk"
	case strings.HasPrefix(family, "container_fs_"):
		return "diskIO"
	case family == "container_oom_events_total":
		return "oom_event"
	case family == "container_processes":
		return "process"
	}
	return ""
}

// Check returns what is wrong with the kinds.
func (c *CAdvisor) Check() error {
	for _, kind := range slices.Concat(c.Enabled, c.Disabled) {
		if !slices.Contains(kinds, kind) {
			return fmt.Errorf("there is no kind of metrics %q: want some of %s", kind, strings.Join(kinds, ", "))
		}
	}
	return nil
}

// Without returns the enabled kinds for which the page has no metric.
func (c *CAdvisor) Without() (without []string) {
	for _, kind := range c.Enabled {
		if !slices.ContainsFunc(c.all(), func(m metric) bool { return kindOf(m.name) == kind }) {
			without = append(without, kind)
		}
	}
	return without
}

func (c *CAdvisor) shows(kind string) bool {
	switch {
	case kind == "":
		return true
	case len(c.Enabled) > 0:
		return slices.Contains(c.Enabled, kind)
	case len(c.Disabled) > 0:
		return !slices.Contains(c.Disabled, kind)
	}
	return kind != "process"
}

// cpuTimes are metrics of cAdvisor that our own page lacks.
var cpuTimes = []metric{
	{"container_cpu_system_seconds_total", "CPU time used in the kernel.", counter, whileRunning, keep, "",
		func(v *view) (value, string) { return v.stats.cpuSystem, "" }},
	{"container_cpu_user_seconds_total", "CPU time used outside of the kernel.", counter, whileRunning, keep, "",
		func(v *view) (value, string) { return v.stats.cpuUser, "" }},
}

// all returns the metrics of all kinds, sorted by name.
func (c *CAdvisor) all() []metric {
	all := slices.Clone(cpuTimes)
	for _, m := range metrics {
		if strings.HasPrefix(m.name, "container_") {
			m.running, m.rank = true, keep
			if m.kind == untyped { // the page is not served as OpenMetrics
				m.kind = counter
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return all
}

// metrics returns the metrics of the enabled kinds.
func (c *CAdvisor) metrics() []metric {
	return slices.DeleteFunc(c.all(), func(m metric) bool { return !c.shows(kindOf(m.name)) })
}

// page is newPage for series with cAdvisor's labels.
func (c *CAdvisor) page(views []view) *page {
	p := &page{views: views, labels: make([][]*dto.LabelPair, len(views)), toGo: make([]int, len(views))}
	for i := range views {
		v := &views[i]
		add := func(name, value string) {
			if value != "" {
				p.labels[i] = append(p.labels[i], &dto.LabelPair{Name: &name, Value: &value})
			}
		}
		v.Further.Range(func(l labels.Label) { add(l.Name, l.Value) }) // container_label_…, which sort before the others
		id := v.stats.cgroup
		if id == "" {
			id = "/docker/" + v.ID
		}
		add("id", id)
		add("image", v.Image)
		add("name", v.Name)
	}
	return p
}

const (
	metaLabel      = "__meta_docker_container_label_"
	containerLabel = "container_label_"
)

// ContainerLabels returns the labels of series that are a container's own labels, selected from its
// discovered labels: all of them, or the allowed ones, which are named as on the container.
func ContainerLabels(discovered labels.Labels, all bool, allowed []string) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	discovered.Range(func(l labels.Label) {
		name, ok := strings.CutPrefix(l.Name, metaLabel)
		if ok && (all || slices.ContainsFunc(allowed, func(a string) bool { return sanitized(a) == name })) {
			b.Set(containerLabel+name, l.Value)
		}
	})
	return b.Labels()
}

// sanitized returns the name of a container's label in the form of a series' label.
func sanitized(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
