// Package scrape turns a target's /metrics page into remote-write blocks.
//
// A Loop scrapes one target at each interval and hands the encoded samples to its sinks. The samples of a
// series are in time order, and a scrape counts whole or not at all. If a target cannot be reached,
// responds too late, sends too much or sends something other than metrics, its up is 0 and its series get
// staleness markers. A series that its target no longer shows gets one, too.
//
// # What is remembered
//
// A Loop remembers the last valid page (package memo): the text of each series, in order, and its labels
// encoded for every sink. It compares the next page with that line by line (page.go). Where the text is the
// same, it parses only the number and appends the remembered labels. It looks up a line that has moved by
// its text. Package plain parses a new line if it has the shape that nearly all lines have; textparse
// parses the others.
//
// A Loop that is replaced by one with other settings hands over what it remembers (Memory, TakeOver).
//
// The last valid page takes memory, which the sample and body limits bound, and so do the pages that are
// being read. The latter share a number of bytes (Buffers), and a page whose target is slow gives way to
// others (room).
//
// Package agent makes one Loop per target, and collector.Manager runs them. The sinks decide what waits for
// a backend, and what is lost when it waits too long.
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

// Sink is one remote-write endpoint as a scrape sees it. The goroutines of all loops call its methods.
type Sink interface {
	// AppendLabels appends the encoded Label fields of a prompb TimeSeries (tag 1 each, sorted by name) to
	// dst, as the endpoint sends them after external labels and write relabelling. It returns false if the
	// endpoint drops the series. The loop calls it once for a new series and remembers the result.
	// AppendLabels must not keep l, whose memory is reused after it returns.
	AppendLabels(dst []byte, l labels.Labels) ([]byte, bool)

	// Append takes the blocks of one scrape, in order. shard selects the sender and is always the same for
	// a target. Append does not wait for the backend, and keeps no Body after it returns. An error means
	// that it did not take the blocks.
	Append(ctx context.Context, shard uint64, blocks []lighter.Block) error

	// Metadata takes the metric families that are new or have changed.
	Metadata(m []lighter.Metadata)
}

// Packer is a Sink that keeps blocks in a form of its own, such as compressed. Each block is packed as soon
// as it is complete, so that only one block of a large page is in memory unpacked.
type Packer interface {
	// AppendPacked appends to dst the Body that Append is to get for b. It keeps nothing of b.
	AppendPacked(dst []byte, b lighter.Block) []byte
}

// Chooser is a Sink that does not accept everything a sample may carry.
type Chooser interface {
	// Takes reports whether the sink accepts exemplars, and whether it accepts native histograms.
	Takes() (exemplars, histograms bool)
}

// Options are what the loops of a scrape share; a Loop owns none of it. All fields but OverTargetLimit,
// Failures and Observe are required.
type Options struct {
	Client    *http.Client // made by NewClient
	Sinks     []Sink
	Names     []string // of the Sinks, in the same order; TakeOver matches the sinks of two Loops by name
	Buffers   *Buffers // one per process
	UserAgent string
	Metrics   *Metrics
	Logger    *slog.Logger
	// OverTargetLimit is the reason why no target of the scrape is scraped; nil if they are.
	OverTargetLimit error
	// Failures logs every failed scrape, in addition to what Logger gets. It may be nil.
	Failures *slog.Logger
	Observe  func(Observation) // called after each scrape, from the goroutines of all loops; may be nil
}

// NewClient returns an HTTP client with the authentication, TLS and proxy settings of a configuration.
// Loops share it; it keeps connections open between scrapes.
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
	request *http.Request // used for every scrape, with the context of that scrape

	// Owned by Run.
	pages    *pages
	bodySize int                // of the last page, to allocate the next one in one go
	last     int64              // time of the last scrape, Unix milliseconds
	failing  lighter.Failures   // to scrape the target
	dropping lighter.Failures   // to keep all samples of its page
	refused  []lighter.Failures // of sinks to take its samples, by sink

	mu     sync.Mutex
	status Status
}

// New returns a Loop that does nothing until Run. It returns an error if the target's labels do not give a
// valid address.
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
		refused: make([]lighter.Failures, len(o.Sinks)),
		status:  Status{Labels: parsed.labels, URL: parsed.shown, Health: Unknown},
	}, nil
}

// Run scrapes until ctx ends, and then returns nil. If the context's cause is lighter.ErrGone, it first
// marks all series as stale. It does not do so when the agent merely stops, because the target and its
// series continue.
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

// scrape scrapes the target once and hands on the result, even if the scrape failed. at is the samples'
// time.
func (l *Loop) scrape(ctx context.Context, at int64) {
	start := time.Now()
	page, err := l.fetch(ctx)
	w := l.Buffers.getWork(ctx, l.bodySize, l.Sinks)
	if w != nil {
		defer l.Buffers.putWork(w)
	}
	if ctx.Err() != nil {
		l.Buffers.putPage(page)
		return // the agent is stopping, which says nothing about the target
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

// end marks every series that the target last showed as stale, including up and the other series about the
// scrape.
func (l *Loop) end(ctx context.Context) {
	at := max(time.Now().UnixMilli(), l.last+1)
	w := &work{} // not from Buffers: it needs little, and a stop must not wait for the turn of large pages
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
		l.logChange(&l.refused[i], "samples were not accepted", "samples are accepted again", err)
	}
}
