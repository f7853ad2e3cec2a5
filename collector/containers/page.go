package containers

import (
	"cmp"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"lighter"
)

// Gather implements prometheus.Gatherer. It returns the last samples of the presently wanted containers,
// ordered by metric and then by container. The error is always nil. It measures nothing and does not wait
// for the Engine.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) {
	now := time.Now()
	views, machine := c.views(now)
	families := make([]*dto.MetricFamily, 0, len(metrics)+2)
	p, shown := newPage(views), metrics[:]
	if c.CAdvisor != nil {
		p, shown = c.CAdvisor.page(views), c.CAdvisor.metrics()
	}
	for i := range shown {
		if f := p.family(&shown[i]); f != nil {
			families = append(families, f)
		}
	}
	if machine.CPUs > 0 {
		families = append(families, single("machine_cpu_cores", "CPUs of the host.", float64(machine.CPUs)))
	}
	if machine.MemoryBytes > 0 {
		families = append(families, single("machine_memory_bytes", "Memory of the host.", float64(machine.MemoryBytes)))
	}
	return families, nil
}

// views returns the data of each container, sorted by name and ID, and of the machine.
func (c *Collector) views(now time.Time) ([]view, lighter.Machine) {
	wanted := c.look(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	views := make([]view, 0, len(wanted))
	for _, w := range wanted {
		k := c.known[w.ID]
		if k == nil {
			continue // it has gone since
		}
		v := view{
			Container: w, now: now, stats: k.stats, hasLog: c.host.logOf(w.ID, w.LogDriver) != "", logBytes: k.logBytes, size: k.size,
			ooms: k.ooms.total(), driver: cmp.Or(c.machine.StorageDriver, "unknown"),
		}
		if v.stats == nil || now.Sub(k.sampled) > maxMissed*c.Interval {
			v.stats = &stats{}
		}
		v.net, v.hasNet = v.stats.network()
		v.io, v.device = v.stats.io(c.host.disks.namesFor(v.stats))
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b view) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return views, c.machine
}

// page builds families from views.
type page struct {
	views  []view
	labels [][]*dto.LabelPair // by container, sorted by name
	toGo   []int              // see toGo
}

func newPage(views []view) *page {
	p := &page{views: views, labels: make([][]*dto.LabelPair, len(views)), toGo: make([]int, len(views))}
	image, name, project, service := "image", "name", "project", "service"
	for i := range views {
		v := &views[i]
		add := func(label, value *string) {
			if *value != "" {
				p.labels[i] = append(p.labels[i], &dto.LabelPair{Name: label, Value: value})
			}
		}
		add(&image, &v.Image)
		add(&name, &v.Name)
		add(&project, &v.Project)
		add(&service, &v.Service)
		p.toGo[i] = toGo(v)
	}
	return p
}

// family returns a family, or nil if it has no series.
func (p *page) family(m *metric) *dto.MetricFamily {
	var series []*dto.Metric
	for i := range p.views {
		v := &p.views[i]
		if m.running && !v.Running || m.rank != keep && m.rank <= p.toGo[i] {
			continue
		}
		n, label := m.of(v)
		if !n.known {
			continue
		}
		labels := p.labels[i]
		if m.label != "" {
			labels = with(labels, &m.label, label)
		}
		series = append(series, newMetric(m.kind, labels, n.v))
	}
	if series == nil {
		return nil
	}
	return &dto.MetricFamily{Name: &m.name, Help: &m.help, Type: &m.kind, Metric: series}
}

// with returns labels with one more label, sorted by name.
func with(labels []*dto.LabelPair, name *string, value string) []*dto.LabelPair {
	at, _ := slices.BinarySearchFunc(labels, *name, func(l *dto.LabelPair, name string) int { return cmp.Compare(l.GetName(), name) })
	all := make([]*dto.LabelPair, 0, len(labels)+1)
	all = append(all, labels[:at]...)
	all = append(all, &dto.LabelPair{Name: name, Value: &value})
	return append(all, labels[at:]...)
}

func newMetric(kind dto.MetricType, labels []*dto.LabelPair, v float64) *dto.Metric {
	switch kind {
	case counter:
		return &dto.Metric{Label: labels, Counter: &dto.Counter{Value: &v}}
	case untyped:
		return &dto.Metric{Label: labels, Untyped: &dto.Untyped{Value: &v}}
	}
	return &dto.Metric{Label: labels, Gauge: &dto.Gauge{Value: &v}}
}

func single(name, help string, v float64) *dto.MetricFamily {
	kind := gauge
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: []*dto.Metric{newMetric(gauge, nil, v)}}
}
