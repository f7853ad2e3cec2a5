package scrape

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// Memory is what a Loop knows when it has ended, for one that goes on with its target under other
// settings.
type Memory struct {
	pages    *pages
	bodySize int
	last     int64
	failing  trouble
	dropping trouble
	status   Status
}

// Memory returns what l knows of its target. It may be called once, after Run has returned; the
// Loop is of no use then.
func (l *Loop) Memory() *Memory {
	return &Memory{l.pages, l.bodySize, l.last, l.failing, l.dropping, l.Status()}
}

// TakeOver makes l, which does not run yet, go on where another Loop of the same target has ended. It
// takes nothing from a Loop whose samples had other labels of the target. The first page is read
// anew, because its series may get other labels by now: those that go on get no staleness marker and
// are not counted as added, and those that do not are marked as stale for the sinks that had them.
func (l *Loop) TakeOver(m *Memory) {
	if !labels.Equal(m.pages.target, l.target.labels) {
		return
	}
	l.pages.takeOver(m.pages)
	l.bodySize, l.last, l.failing, l.dropping = m.bodySize, m.last, m.failing, m.dropping
	l.mu.Lock()
	defer l.mu.Unlock()
	of, url := l.status.Labels, l.status.URL
	l.status = m.status
	l.status.Labels, l.status.URL = of, url
}

func (p *pages) takeOver(from *pages) {
	for i := range min(len(p.report.series), len(from.report.series)) {
		p.report.series[i].State = from.report.series[i].State
	}
	p.memo, p.starts = from.memo, from.starts
	if slices.Equal(p.sinks, from.sinks) {
		p.memo.Distrust()
		return
	}
	origin := make([]int, len(p.names))
	for i, name := range p.names {
		origin[i] = slices.Index(from.names, name)
	}
	p.memo.MoveTo(origin)
}
