package scrape

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// Memory is the state that an ended Loop leaves to its successor, which scrapes the same target with other
// settings.
type Memory struct {
	pages    *pages
	bodySize int
	last     int64
	failing  lighter.Failures
	dropping lighter.Failures
	status   Status
}

// Memory returns what l knows of its target. It may be called once, after Run has returned; l must not be
// used afterwards.
func (l *Loop) Memory() *Memory {
	return &Memory{l.pages, l.bodySize, l.last, l.failing, l.dropping, l.Status()}
}

// TakeOver makes l, which is not running yet, continue where another Loop of the same target has ended. It
// takes nothing from a Loop that gave its samples other target labels. The first page is parsed afresh,
// because its series may have other labels under the new settings. Series whose labels stay the same get no
// staleness marker and do not count as added; the others are marked as stale in the sinks that had them.
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
