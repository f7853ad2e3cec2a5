package logmetrics

import (
	"context"
	"sync/atomic"

	"lighter"
	"lighter/collector/stage/level"
)

// counter is the stage of a log that is counted.
type counter struct {
	*leveller
	limit    *atomic.Int64 // the Set's
	log      *log
	counts   *counts   // of this chain; guarded by log.mu
	families []*family // by metric of the program, in order
	matcher  *matcher
}

// Append counts a batch and hands it on.
func (c *counter) Append(ctx context.Context, b *lighter.Batch) error {
	c.count(b)
	err := c.next.Append(ctx, b)
	if err != nil {
		c.log.mu.Lock()
		defer c.log.mu.Unlock()
		if c.log.counts == c.counts {
			c.log.failed = true
		}
	}
	return err
}

func (c *counter) count(b *lighter.Batch) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.include()
	for i := range b.Entries {
		e := &b.Entries[i]
		if c.on {
			c.counts.lines[c.say(b, e)]++
			c.counts.bytes += uint64(len(e.Line))
		}
		if len(c.matcher.rules) > 0 {
			c.countLine(e.Line)
		}
	}
}

// include adds the counts of other logs that have ended.
func (c *counter) include() {
	if n := len(c.log.additions); n == 0 || c.log.additions[n-1].number <= c.counts.included {
		return
	}
	for i, t := range c.counts.tables {
		c.families[i].series.Add(-int64(len(t.series)))
	}
	c.log.include(c.counts)
	for i, t := range c.counts.tables {
		c.families[i].series.Add(int64(len(t.series)))
	}
}

// countLine applies all rules to a line.
func (c *counter) countLine(line []byte) {
	m := c.matcher
	m.begin(line)
	for i := range m.rules {
		r := &m.rules[i]
		number, ok := m.wants(r)
		if !ok {
			continue
		}
		t, key := c.counts.tables[r.metric], m.keyOf(r)
		s := t.byKey[string(key)]
		if s == nil {
			f := c.families[r.metric]
			if f.series.Add(1) > c.limit.Load() {
				f.series.Add(-1)
				f.refused.Add(1)
				continue
			}
			s = t.add(string(key))
		}
		t.count(s, number)
	}
}

// Keep implements stage.Keeper.
func (c *counter) Keep(b []byte) []byte {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.counts.append(b)
}

// leveller is a stage that sets the levels of entries.
type leveller struct {
	on    bool
	names [levels][]byte
	next  lighter.Logs
}

func newLeveller(on bool, next lighter.Logs) *leveller {
	l := &leveller{on: on, next: next}
	for i := range l.names {
		l.names[i] = []byte(level.Level(i).String())
	}
	return l
}

// Append sets levels and hands the batch on.
func (l *leveller) Append(ctx context.Context, b *lighter.Batch) error {
	if l.on {
		for i := range b.Entries {
			l.say(b, &b.Entries[i])
		}
	}
	return l.next.Append(ctx, b)
}

// say returns the level of an entry. If Loki would detect a wrong level, it also sets it as structured
// metadata.
func (l *leveller) say(b *lighter.Batch, e *lighter.Entry) level.Level {
	of, send := level.Of(e.Line)
	if send {
		b.AddField(e, level.FieldName, l.names[of])
	}
	return of
}
