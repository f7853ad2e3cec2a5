// Package scrape turns a target's /metrics page into remote-write blocks.
//
// A Loop asks one target at each interval and hands what it found to its sinks, encoded.
// The samples of a series are in time order, and a scrape counts whole or not at all: a
// target that cannot be reached, answers too late, too much or something else than
// metrics gets up 0, and its series a staleness marker, as has a series that its target
// no longer shows.
//
// # What is remembered
//
// A Loop remembers the last good page (package memo): the text of each series, in order, and its
// labels encoded for every sink. The next page is compared with it line by line (page.go). Where the
// text is the same only the number is parsed, and the labels are appended as they are. A line that is
// not where it was is looked for by its text. A new line is read by hand (package plain) if it has the
// shape that nearly all lines have, and is shown to textparse if not.
//
// A Loop that is replaced by one with other settings hands on what it remembers (Memory, TakeOver).
//
// Memory is that of the last good page, bounded by the sample and body limits, and of the
// pages that are read at one time. Those share a number of bytes (Buffers), and a page whose
// target is slow gives way to others (room).
//
// Package agent makes Loops, one a target, and collector.Manager runs them. What waits for a backend,
// and what is lost when it waits too long, is the sinks' business.
package scrape

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// Sink is one remote-write endpoint as a scrape sees it. Its methods are called from the
// goroutines of all loops.
type Sink interface {
	// AppendLabels appends the encoded Label fields of a prompb TimeSeries (tag 1 each, sorted
	// by name) as the endpoint sends them, external labels and write relabelling done, to dst.
	// False: the endpoint drops the series. It is called once for a new series, and the loop
	// remembers its answer. l must not be kept: its memory is used again when this returns.
	AppendLabels(dst []byte, l labels.Labels) ([]byte, bool)

	// Append takes the blocks of one scrape, in order. shard picks the sender: the same target
	// always gives the same. It does not wait for the backend, and keeps no Body after it
	// returns. An error means that the blocks were not taken.
	Append(ctx context.Context, shard uint64, blocks []lighter.Block) error

	// Metadata tells of metric families that are new or have changed.
	Metadata(m []lighter.Metadata)
}

// Packer is a Sink that keeps blocks in a form of its own, such as compressed. Its blocks are
// packed one by one as they become complete, so that of a large page one lies in memory as it
// was encoded, and not all.
type Packer interface {
	// AppendPacked appends to dst what Append is to get as b's Body. It keeps nothing of b.
	AppendPacked(dst []byte, b lighter.Block) []byte
}

// Chooser is a Sink that does not take all that samples may have.
type Chooser interface {
	// Takes reports whether the sink takes exemplars, and whether it takes native histograms.
	Takes() (exemplars, histograms bool)
}

// Options are what the loops of a scrape share; a Loop owns none of it. All but OverTargetLimit, Failures and
// Observe are required.
type Options struct {
	Client    *http.Client // made by NewClient
	Sinks     []Sink
	Names     []string // of the Sinks, in their order; TakeOver matches the sinks of two Loops by name
	Buffers   *Buffers // one a process
	UserAgent string
	Metrics   *Metrics
	Logger    *slog.Logger
	// OverTargetLimit is why no target of the scrape is asked for its page; nil if they are asked.
	OverTargetLimit error
	// Failures is what failed scrapes are logged to, each of them, beside what Logger gets; nil logs none.
	Failures *slog.Logger
	Observe  func(Observation) // is called after each scrape, from the goroutines of all loops; nil: nobody watches
}

// NewClient returns the client with which targets of a configuration are asked: its
// authentication, TLS and proxy. Loops share it; it keeps connections open between scrapes.
func NewClient(cfg Config) (*http.Client, error) {
	c, err := promconfig.NewClientFromConfig(cfg.HTTP, "scrape")
	if err != nil {
		return nil, fmt.Errorf("scrape %s: make an HTTP client: %w", cfg.Name, err)
	}
	if cfg.HTTP.FollowRedirects {
		c.CheckRedirect = followOwn
	}
	return c, nil
}

// Loop scrapes one target. Run may be called once, Status at any time.
type Loop struct {
	Options
	cfg     Config
	target  *target
	request *http.Request // every scrape's, without its context

	// Owned by Run.
	pages    *pages
	bodySize int       // of the last page, to read the next one without growing
	last     int64     // time of the last scrape, Unix milliseconds
	failing  trouble   // the target
	dropping trouble   // samples of its pages
	refused  []trouble // the sinks

	mu     sync.Mutex
	status Status
}

// New returns a Loop that does nothing until Run. It fails when the target's labels make
// no address that can be asked.
func New(t lighter.Target, cfg Config, o Options) (*Loop, error) {
	parsed, err := newTarget(t.Labels, cfg)
	if err != nil {
		return nil, err
	}
	return &Loop{
		Options: o,
		cfg:     cfg,
		target:  parsed,
		request: newRequest(parsed, cfg, o.UserAgent),
		pages:   newPages(parsed.labels, cfg, o.Sinks, o.Names),
		refused: make([]trouble, len(o.Sinks)),
		status:  Status{Labels: parsed.labels, URL: parsed.shown, Health: Unknown},
	}, nil
}

// Run scrapes until ctx ends, which it reports as nil. When the context's cause is
// lighter.ErrGone it marks all series as stale first; when merely the agent stops it
// does not, because the target goes on and so will its series.
func (l *Loop) Run(ctx context.Context) error {
	now := time.Now()
	start, due := l.first(now)
	regular := due
	wait := time.NewTimer(start.Sub(now))
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), lighter.ErrGone) {
				l.end(context.WithoutCancel(ctx))
			}
			return nil
		case <-wait.C:
		}
		giveBack := func() {}
		if l.last == 0 {
			giveBack = l.Buffers.takeUnseen(ctx)
		}
		l.scrape(ctx, aligned(time.Now(), regular, l.target.interval))
		giveBack()
		due = next(due, time.Now(), l.target.interval)
		wait.Reset(time.Until(due))
	}
}

// scrape asks the target once and hands on what came of it, also when nothing did. at is
// the samples' time.
func (l *Loop) scrape(ctx context.Context, at int64) {
	start := time.Now()
	page, err := l.fetch(ctx)
	w := l.Buffers.getWork(ctx, l.bodySize, l.Sinks)
	if w != nil {
		defer l.Buffers.putWork(w)
	}
	if ctx.Err() != nil {
		l.Buffers.putPage(page)
		return // it is we who stop: that says nothing about the target
	}
	out, r := &w.out, &w.reader
	var c counts
	size := 0
	if err == nil {
		size = len(page.body)
		c, err = l.pages.read(page, at, out, r)
	} else {
		l.pages.miss(at, out, r)
	}
	l.Buffers.putPage(page)
	took := time.Since(start)
	if resultOf(err) == resultTooLarge {
		size = -1
	}
	l.pages.report.add(out, at, outcome{up: err == nil, took: took, counts: c, size: size, timeout: l.target.timeout, sampleLimit: l.cfg.SampleLimit})
	l.deliver(ctx, out, at)
	if err == nil && len(r.changed) > 0 {
		for _, sink := range l.Sinks {
			sink.Metadata(r.changed)
		}
	}
	l.last = max(l.last, at)
	l.Metrics.observe(err, took, c)
	l.note(start, took, c, err)
	if err != nil && l.Failures != nil {
		l.Failures.Error(err.Error(), "job_name", cmp.Or(l.cfg.Job, l.cfg.Name), "target", l.target.shown)
	}
	l.observe(c, err, r)
}

// end marks everything that the target last showed as stale, up and its like included.
func (l *Loop) end(ctx context.Context) {
	at := max(time.Now().UnixMilli(), l.last+1)
	w := &work{} // of its own: it takes little, and a stop must not wait for the turn of large pages
	w.prepare(l.Sinks)
	l.pages.miss(at, &w.out, &w.reader)
	l.pages.report.markStale(&w.out, at)
	l.deliver(ctx, &w.out, at)
}

func (l *Loop) deliver(ctx context.Context, out *blocks, at int64) {
	for i, sink := range l.Sinks {
		done := out.sinks[i].finish(at)
		if len(done) == 0 {
			continue
		}
		err := sink.Append(ctx, l.target.hash, done)
		if err != nil {
			samples := 0
			for _, b := range done {
				samples += b.Samples
			}
			l.Metrics.rejected.WithLabelValues("not_taken").Add(float64(samples))
			err = fmt.Errorf("hand on %d samples of %s: %w", samples, l.target.shown, err)
		}
		l.logChange(&l.refused[i], "samples were not taken", "samples are taken again", err)
	}
}
