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
	// ownLogBytes limits the lines of the agent's own log that are kept until they are shipped.
	ownLogBytes = 256 << 10
	// ownLogRate is how many of these lines are shipped per second on average, and ownLogBurst how many at
	// once. A line may report a failure to ship lines, including itself: without a limit such lines could
	// cause each other forever.
	ownLogRate  = 20
	ownLogBurst = 500
)

// OwnLog receives the lines of the agent's own log, for the sources of a plan that ship them. The agent's
// logger writes to it in addition to its normal output. Write never blocks: it keeps the newest lines in
// limited memory until they are handed on. OwnLog is safe for concurrent use.
type OwnLog struct {
	dropped prometheus.Counter

	mu       sync.Mutex
	unwanted bool // no source ships the lines
	lines    []ownLine
	first    uint64            // the number of lines[0]; lines are counted from 0
	bytes    int               // of lines
	read     map[string]uint64 // number of the next line to hand on, by log key
	left     float64           // how many lines the rate allowed at the time at
	at       time.Time         // when left was computed
	more     chan struct{}     // closed when a line comes; nil if nobody waits
}

type ownLine struct {
	at   int64
	text []byte
}

// NewOwnLog returns an OwnLog that keeps lines from now on.
func NewOwnLog() *OwnLog {
	return &OwnLog{
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lighter_own_log_lines_dropped_total", Help: "Lines of the agent's own log that were dropped instead of shipped, because they came faster than the limit, or faster than the endpoint accepted them."}),
		read: map[string]uint64{},
		left: ownLogBurst,
		at:   time.Now(),
	}
}

// Write adds a line. It never fails.
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

// want sets whether some source ships the lines. While none does, no line is kept.
func (o *OwnLog) want(wanted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unwanted = !wanted
	if !wanted {
		o.first += uint64(len(o.lines))
		o.lines, o.bytes = nil, 0
	}
}

// next returns the lines that the log with the given key has not handed on yet. If there are none, it
// returns a channel that is closed when there are. It counts lines that are no longer kept as dropped.
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

// handedOn records that n more lines were handed on.
func (o *OwnLog) handedOn(key string, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read[key] += uint64(n)
}

// listenToOwnLog makes the lines of the agent's own log be kept if a plan ships them. They are not echoed,
// because an echo would be a line of the log itself.
func (a *Agent) listenToOwnLog(g *graph) {
	wanted := false
	for _, p := range paths(g.plan) {
		if _, ok := p.source.Args.(config.AgentLog); !ok {
			continue
		}
		if echoes(g.plan, p.endpoint) {
			a.o.Logger.Warn("the agent's own log is not echoed, because the echo would be written to that log", "node", p.endpoint)
			continue
		}
		wanted = true
	}
	a.o.OwnLog.want(wanted)
}

// ownLogStream is the label set of the lines, which is Alloy's.
var ownLogStream = labels.FromStrings("component", "alloy")

// ownLogReader hands the lines of the agent's own log on to one path.
type ownLogReader struct {
	own   *OwnLog
	key   string
	logs  *stage.Chain
	lines counts
}

// Run hands lines on until ctx ends, and then returns nil.
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

// release makes the stages hand on the lines that they hold back, because nobody reads those again. Lines for
// which the endpoint has no room within flushTimeout are dropped and counted.
func (r *ownLogReader) release() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if r.logs.Release(ctx) != nil {
		r.own.dropped.Add(float64(r.logs.Held()))
	}
}

// Status returns the reader's state.
func (r *ownLogReader) Status() tail.Status { return r.lines.status(tail.Following) }

// counts holds the lines that a source without a tailer has handed on. The zero value is ready to use.
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
