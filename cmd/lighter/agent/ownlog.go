package agent

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/collector/stage"
	"lighter/collector/tail"
	"lighter/config"
)

const (
	// ownLogBytes bounds the lines of the agent's own log that are kept until they are shipped.
	ownLogBytes = 256 << 10
	// ownLogRate is how many lines of it a second are shipped in the long run, and ownLogBurst how many at
	// once. A line may tell of a failure to ship lines, itself among them: without a bound such lines could
	// make each other for ever.
	ownLogRate  = 20
	ownLogBurst = 500
)

// OwnLog takes the lines of the agent's own log, for the sources of a plan that ship them. It is what the
// agent's logger writes to, beside where people read the log. Write never blocks: it keeps the newest lines
// in a bounded memory until they are handed on. OwnLog is safe for concurrent use.
type OwnLog struct {
	dropped prometheus.Counter

	mu       sync.Mutex
	unwanted bool // no source ships the lines
	lines    []ownLine
	first    uint64            // the number of the first of lines; lines are counted from 0
	bytes    int               // of lines
	read     map[string]uint64 // up to which line a path has handed on, by the key of its log
	left     float64           // how many lines the rate allows now
	at       time.Time         // when that was so
	more     chan struct{}     // is closed when a line comes; nil if nobody waits
}

type ownLine struct {
	at   int64
	text []byte
}

// NewOwnLog returns an OwnLog that keeps lines from now on.
func NewOwnLog() *OwnLog {
	return &OwnLog{
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lighter_own_log_lines_dropped_total", Help: "Lines of the agent's own log that were to be shipped and were left out: they came faster than they are shipped at most, or than the endpoint took them."}),
		read: map[string]uint64{},
		left: ownLogBurst,
		at:   time.Now(),
	}
}

// Write takes a line. It never fails.
func (o *OwnLog) Write(p []byte) (int, error) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unwanted {
		return len(p), nil
	}
	o.left = min(o.left+now.Sub(o.at).Seconds()*ownLogRate, ownLogBurst)
	o.at = now
	text := bytes.TrimSuffix(p, []byte{'\n'})
	if o.left < 1 || len(text) > ownLogBytes/4 {
		o.dropped.Inc()
		return len(p), nil
	}
	o.left--
	o.lines = append(o.lines, ownLine{now.UnixNano(), bytes.Clone(text)})
	o.bytes += len(text)
	for o.bytes > ownLogBytes {
		o.bytes -= len(o.lines[0].text)
		o.lines[0] = ownLine{}
		o.lines = o.lines[1:]
		o.first++
	}
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return len(p), nil
}

// want sets whether some source ships the lines. No line is kept while none does.
func (o *OwnLog) want(wanted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unwanted = !wanted
	if !wanted {
		o.first += uint64(len(o.lines))
		o.lines, o.bytes = nil, 0
	}
}

// next returns the lines that the log of a key has not handed on yet, and a channel that is closed when
// there are some if there are none. Lines that are gone are counted as dropped.
func (o *OwnLog) next(key string) (lines []ownLine, more <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	from, known := o.read[key]
	if !known || from < o.first {
		if known {
			o.dropped.Add(float64(o.first - from))
		}
		from = o.first
		o.read[key] = from
	}
	if n := from - o.first; n < uint64(len(o.lines)) {
		return slices.Clone(o.lines[n:]), nil // Write clears entries of o.lines when it has no room
	}
	if o.more == nil {
		o.more = make(chan struct{})
	}
	return nil, o.more
}

// handedOn notes that n more lines were handed on.
func (o *OwnLog) handedOn(key string, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read[key] += uint64(n)
}

// listenToOwnLog has the lines of the agent's own log kept if a plan ships them. An echo of them would be a
// line of the log itself, and so there is none.
func (a *Agent) listenToOwnLog(g *graph) {
	wanted := false
	for _, p := range paths(g.plan) {
		if _, ok := p.source.Args.(config.AgentLog); !ok {
			continue
		}
		if echoes(g.plan, p.endpoint) {
			a.o.Logger.Warn("the agent's own log is not echoed, because what is echoed are lines of that log", "node", p.endpoint)
			continue
		}
		wanted = true
	}
	a.o.OwnLog.want(wanted)
}

// ownLogStream is what the lines are labelled with, which is what Alloy gives them.
var ownLogStream = labels.FromStrings("component", "alloy")

// ownLogReader hands the lines of the agent's own log on to one path.
type ownLogReader struct {
	own   *OwnLog
	key   string
	logs  *stage.Chain
	lines counts
}

// Run hands lines on until ctx ends, which it reports as nil.
func (r *ownLogReader) Run(ctx context.Context) error {
	defer r.logs.Drop()
	stream := []*lighter.Stream{lighter.NewStream(ownLogStream)}
	for {
		lines, more := r.own.next(r.key)
		if more != nil {
			select {
			case <-more:
				continue
			case <-ctx.Done():
				r.release()
				return nil
			}
		}
		b := &lighter.Batch{Streams: stream}
		for _, l := range lines {
			b.Entries = append(b.Entries, lighter.Entry{Time: l.at, Line: l.text})
			b.Bytes += len(l.text)
		}
		n, last := len(lines), lines[len(lines)-1].at
		b.Begin(func() { r.lines.delivered.Add(int64(n - b.Undelivered())) })
		if r.logs.Append(ctx, b) != nil {
			// ctx has ended. The next reader hands the lines of b on, but not those that stages hold back.
			r.own.dropped.Add(float64(r.logs.Held()))
			return nil
		}
		b.Done()
		r.own.handedOn(r.key, n)
		r.lines.read.Add(int64(n))
		r.lines.last.Store(last)
	}
}

// release has the stages hand on the lines that they hold back, because nobody reads those again. Lines that the
// endpoint has no room for within flushTimeout are dropped, and counted.
func (r *ownLogReader) release() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if r.logs.Release(ctx) != nil {
		r.own.dropped.Add(float64(r.logs.Held()))
	}
}

// Status returns what the reader has done.
func (r *ownLogReader) Status() tail.Status { return r.lines.status(tail.Following) }

// counts are the lines that a source without a tailer has handed on. The zero value is ready.
type counts struct {
	read, delivered atomic.Int64
	last            atomic.Int64 // time of the last line, Unix nanoseconds
}

func (c *counts) status(state string) tail.Status {
	st := tail.Status{State: state, Read: c.read.Load(), Delivered: c.delivered.Load()}
	if last := c.last.Load(); last != 0 {
		st.LastLine = time.Unix(0, last).UTC()
	}
	return st
}
