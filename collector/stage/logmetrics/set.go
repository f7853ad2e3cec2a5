package logmetrics

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"lighter"
	"lighter/collector/stage"
)

// StageName is the name under which a chain keeps the counts of a stage.
const StageName = "logmetrics"

// Options are what all logs share.
type Options struct {
	Limit  int  // see SetLimit
	Lines  bool // see SetLines
	Logger *slog.Logger
}

// Set holds the metrics of all logs. It is a prometheus.Collector, and safe for concurrent use.
type Set struct {
	logger *slog.Logger
	limit  atomic.Int64
	lines  atomic.Bool

	mu       sync.Mutex // must be locked before a log's mutex
	logs     map[string]*log
	families map[string]*family  // by metric name; only of metrics that logs have
	ended    map[string][]ending // by service and container, of containers that have no other log
	order    []string            // keys of ended, oldest first
	made     uint64              // number of logs made so far
}

// family is one metric of all logs.
type family struct {
	logs    int // number of logs that have it; guarded by Set.mu
	series  atomic.Int64
	refused atomic.Uint64 // lines that were not counted because of Set.limit
}

// ending holds the counts of a log that has ended.
type ending struct {
	id     string
	counts *counts // not changed
}

// maxEnded is the number of containers for which the counts of ended logs are kept.
const maxEnded = 256

// New returns a Set without logs.
func New(o Options) *Set {
	s := &Set{logger: o.Logger, logs: map[string]*log{}, families: map[string]*family{}, ended: map[string][]ending{}}
	s.SetLimit(o.Limit)
	s.SetLines(o.Lines)
	return s
}

// SetLimit sets how many series a metric may have in all logs together. Lines that would need another
// series are not counted. If a metric already has more, its series continue.
func (s *Set) SetLimit(series int) { s.limit.Store(int64(series)) }

// SetLines sets whether the stages count entries and their bytes by level, and whether they send the level
// of an entry where Loki would detect a wrong one. It applies to stages that are made afterwards.
func (s *Set) SetLines(on bool) { s.lines.Store(on) }

// Log describes the log that a stage is made for.
type Log struct {
	ID           string // of the log on its path, such as the key of its position
	Declarations []*Declaration
	// Count is false if another stage counts the log, because the log is read more than once. The stage
	// then only sends levels.
	Count bool
	// Acknowledged returns the state that the log's stage had kept as of the log's acknowledged position,
	// or nil if there is none. It blocks until that state is written, so that a process would start with it
	// after a kill. It must not call the Set. It is required if Count is true.
	Acknowledged func() []byte
}

// Maker returns the maker of a log's stage. It may be used again for another chain of the log once nothing
// is appended to the last one any more.
func (s *Set) Maker(l Log) stage.Maker {
	p := compile(l.Declarations)
	return stage.Maker{Name: StageName, New: func(of stage.Log, next lighter.Logs) lighter.Logs {
		levels := newLeveller(s.lines.Load(), next)
		if !l.Count || !levels.on && len(p.rules) == 0 {
			return levels
		}
		return s.begin(l, p, of, levels)
	}}
}

// log is a log that is counted, across all its chains.
type log struct {
	id, service, container string

	// Guarded by Set.mu.
	number       uint64 // the log that was made last has the highest number
	program      *program
	acknowledged func() []byte
	shown        []byte // what acknowledged last returned

	mu        sync.Mutex
	counts    *counts    // of the newest chain
	failed    bool       // the newest chain could not hand on a counted batch
	newest    uint64     // number of the newest addition
	additions []addition // may be missing in the state on disk; changed only while Set.mu is held, too
}

// addition holds the counts of another log that has ended, to be added to this log's.
type addition struct {
	number uint64 // from 1, increasing across processes
	counts *counts
}

// include adds those additions to c that c does not include yet.
func (l *log) include(c *counts) {
	for _, a := range l.additions {
		if a.number > c.included {
			c.include(a.counts)
			c.included = a.number
		}
	}
}

// begin makes the stage of a new chain of a log.
func (s *Set) begin(l Log, p *program, of stage.Log, levels *leveller) *counter {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.logs[l.ID]
	if own == nil {
		own = &log{id: l.ID}
		s.logs[l.ID] = own
	}
	s.made++
	own.number = s.made
	own.service, own.container = strings.ToValidUTF8(of.Service, "?"), strings.ToValidUTF8(of.Container, "?")
	own.program, own.acknowledged = p, l.Acknowledged
	c := &counter{leveller: levels, limit: &s.limit, log: own, matcher: newMatcher(p)}
	for _, m := range p.metrics {
		f := s.families[m.name]
		if f == nil {
			f = &family{}
			s.families[m.name] = f
		}
		f.logs++
		c.families = append(c.families, f)
		s.warn(own, m)
	}
	var ok bool
	if c.counts, ok = decode(of.State, p.metrics); !ok {
		c.counts = newCounts(p.metrics)
		if of.State != nil {
			s.logger.Warn("what was counted from a log is damaged or was written by another version: counting begins anew", "container", own.container)
		}
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	if own.counts != nil {
		s.release(own.counts)
	}
	own.counts, own.failed = c.counts, false
	own.newest = max(own.newest, c.counts.included)
	for i, t := range c.counts.tables {
		c.families[i].series.Add(int64(len(t.series)))
	}
	key := pair(own.service, own.container)
	for _, e := range s.ended[key] {
		if e.id != l.ID || of.State == nil { // otherwise the state includes it
			own.take(e.counts)
		}
	}
	delete(s.ended, key)
	s.order = slices.DeleteFunc(s.order, func(k string) bool { return k == key })
	return c
}

// take gives an addition to the log. The caller holds both mutexes.
func (l *log) take(c *counts) {
	l.newest++
	l.additions = append(l.additions, addition{l.newest, c})
}

// warn logs that another log declares a metric of the same name differently.
func (s *Set) warn(l *log, m *metric) {
	for _, o := range s.logs {
		for _, other := range o.program.metrics {
			if o != l && other.name == m.name && other.signature != m.signature {
				s.logger.Warn("two containers declare a metric of this name with different types, labels or buckets: only one of them is shown",
					"metric", m.name, "container", l.container, "other", o.container)
				return
			}
		}
	}
}

// release removes the counts of a log from the families. The caller holds Set.mu and the log's mutex.
func (s *Set) release(c *counts) {
	for _, t := range c.tables {
		f := s.families[t.name]
		f.series.Add(-int64(len(t.series)))
		if f.logs--; f.logs == 0 {
			delete(s.families, t.name)
		}
	}
}

// Forget ends a log whose container is gone. Its series vanish, unless another log of the same service and
// container continues them. Nothing may be appended to the log's chains afterwards. Forget does nothing if
// the log is not counted.
func (s *Set) Forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[id]
	if l == nil {
		return
	}
	delete(s.logs, id)
	final := s.end(l)
	var heir *log
	for _, o := range s.logs {
		if o.service == l.service && o.container == l.container && (heir == nil || o.number > heir.number) {
			heir = o
		}
	}
	if heir != nil {
		heir.mu.Lock()
		defer heir.mu.Unlock()
		heir.take(final)
		return
	}
	key := pair(l.service, l.container)
	if s.ended[key] == nil {
		s.order = append(s.order, key)
	}
	s.ended[key] = append(s.ended[key], ending{id, final})
	if len(s.order) > maxEnded {
		delete(s.ended, s.order[0])
		s.order = s.order[1:]
	}
}

// end returns all counts of a log. If the log's last batch was not handed on, these are the acknowledged
// ones.
func (s *Set) end(l *log) *counts {
	state := l.state()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	if l.failed {
		var ok bool
		if c, ok = decode(state, l.program.metrics); !ok {
			c = newCounts(l.program.metrics)
		}
	}
	c = c.clone()
	l.include(c)
	s.release(l.counts)
	return c
}

// state returns the log's state as of its acknowledged position. When a log has ended its position is
// forgotten; state then returns the last known one. The caller holds Set.mu.
func (l *log) state() []byte {
	if b := l.acknowledged(); b != nil {
		l.shown = b
	}
	return l.shown
}

func pair(service, container string) string { return service + "\x00" + container }
