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
// A Loop remembers the last good page: the text of each series, in order, and its labels
// encoded for every sink. The next page is compared with it line by line; where the text is
// the same only the number is parsed, by hand for the common shapes, and the labels are
// appended as they are. A line that is not where it was is looked for by its text; one that
// is new is read by hand too if it has the shape that nearly all have (plain.go), and else,
// as one that is odd, shown to textparse. An index is made for a page that needs one, and
// lives as long as that.
//
// Neighbours on a page are alike, and what every series of a target has (job, instance,
// environment) is the same in all of them. So text and labels are kept as their difference
// from the line before (lines.go): on the benchmark's pages, whose neighbours are much alike,
// 45 bytes a series of 90 bytes of text, where keeping them whole takes 270 and is not seen to
// be faster: what is unpacked is what would be compared and copied anyway. The state that
// staleness needs is one for all series of a page that are in none of their own (cache).
//
// Memory is that of the last good page, bounded by the sample and body limits, and of the
// pages that are read at one time (Buffers).
//
// Loops are made and run by package collector, one a target. What waits for a backend,
// and what is lost when it waits too long, is the sinks' business.
package scrape

import (
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
	"lighter/collector"
)

// Sink is one remote-write endpoint as a scrape sees it. Its methods are called from the
// goroutines of all loops.
type Sink interface {
	// AppendLabels appends the encoded Label fields of a prompb TimeSeries (tag 1 each, sorted
	// by name) as the endpoint sends them, external labels and write relabelling done, to dst.
	// False: the endpoint drops the series. It is called once for a new series, and the loop
	// remembers its answer. l is valid, and its memory used again as soon as this returns.
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

// Options are what the loops of a scrape share; a Loop owns none of it. All are required.
type Options struct {
	Client    *http.Client // made by NewClient
	Sinks     []Sink
	Buffers   *Buffers // one a process
	UserAgent string
	Metrics   *Metrics
	Logger    *slog.Logger
}

// NewClient returns the client with which targets of a configuration are asked: its
// authentication, TLS and proxy. Loops share it; it keeps connections open between scrapes.
func NewClient(cfg Config) (*http.Client, error) {
	c, err := promconfig.NewClientFromConfig(cfg.HTTP, "scrape")
	if err != nil {
		return nil, fmt.Errorf("scrape %s: make an HTTP client: %w", cfg.Name, err)
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
	cache    *cache
	families families
	report   *report   // the cache's too
	bodySize int       // of the last page, to read the next one without growing
	last     int64     // time of the last scrape, Unix milliseconds
	failing  trouble   // the target
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
	c := newCache(parsed.labels, cfg, o.Sinks)
	return &Loop{
		Options:  o,
		cfg:      cfg,
		target:   parsed,
		request:  newRequest(parsed, cfg, o.UserAgent),
		cache:    c,
		families: families{},
		report:   c.report,
		refused:  make([]trouble, len(o.Sinks)),
		status:   Status{Labels: parsed.labels, URL: parsed.shown, Health: Unknown},
	}, nil
}

// spread is the time over which the first scrapes of targets are spread at most, so that
// a new container's first sample is there within seconds whatever the interval.
const spread = 5 * time.Second

// beat is the distance of the moments at which targets are asked, or a tenth of a shorter
// interval. What wakes an idle process, threads and the runtime's own included, costs as much
// as some scrapes: targets that share a moment share that.
const beat = 100 * time.Millisecond

// Run scrapes until ctx ends, which it reports as nil. When the context's cause is
// collector.ErrGone it marks all series as stale first; when merely the agent stops it
// does not, because the target goes on and so will its series.
func (l *Loop) Run(ctx context.Context) error {
	now := time.Now()
	due := now.Add(l.offset(now))
	first := due
	wait := time.NewTimer(due.Sub(now))
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), collector.ErrGone) {
				l.end(context.WithoutCancel(ctx))
			}
			return nil
		case <-wait.C:
		}
		l.scrape(ctx, aligned(time.Now(), first, l.target.interval))
		due = next(due, time.Now(), l.target.interval)
		wait.Reset(time.Until(due))
	}
}

// next returns when the scrape after one that was due then is: at once if that has passed
// already, and what else has passed is left out.
func next(due, now time.Time, interval time.Duration) time.Time {
	late := now.Sub(due) / interval
	return due.Add(max(late, 1) * interval)
}

// offset is the time until the first scrape. It depends on the target and the clock alone,
// so that agents that are started together do not ask together, and is a multiple of beat.
func (l *Loop) offset(now time.Time) time.Duration {
	within := min(l.target.interval, spread)
	phase := time.Duration(l.target.hash % uint64(within))
	phase -= phase % min(beat, within/10)
	past := time.Duration(now.UnixNano() % int64(within))
	return (phase - past + within) % within
}

// aligned returns the time that a scrape's samples carry, in Unix milliseconds: the tick's
// own when it is only a moment late, because equal distances compress better everywhere. Ticks
// are by the clock on the wall: one that was set since the first scrape must not leave samples
// in the time that it had then.
func aligned(now, first time.Time, interval time.Duration) int64 {
	const moment = 2 * time.Millisecond
	passed := time.Duration(now.UnixNano() - first.UnixNano()) // unlike Sub
	if late := passed - passed.Round(interval); late >= -moment && late <= moment {
		return now.Add(-late).UnixMilli()
	}
	return now.UnixMilli()
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
	out, r := &w.out, &w.reading
	var c counts
	if err == nil {
		c, err = l.cache.read(page, at, out, l.families, r)
	} else {
		l.cache.miss(at, out, r)
	}
	l.Buffers.putPage(page)
	took := time.Since(start)
	l.report.add(out, at, outcome{up: err == nil, took: took, counts: c})
	l.deliver(ctx, out, at)
	if err == nil {
		l.tellMetadata()
	}
	l.last = max(l.last, at)
	l.Metrics.observe(err, took, c)
	l.note(start, took, c, err)
}

// end marks everything that the target last showed as stale, up and its like included.
func (l *Loop) end(ctx context.Context) {
	at := max(time.Now().UnixMilli(), l.last+1)
	w := l.Buffers.getWork(ctx, l.bodySize, l.Sinks)
	defer l.Buffers.putWork(w)
	l.cache.miss(at, &w.out, &w.reading)
	l.report.markStale(&w.out, at)
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

func (l *Loop) tellMetadata() {
	if !l.cache.tellsFamilies {
		return
	}
	changed := l.families.takeChanged(l.cache.round)
	if len(changed) == 0 {
		return
	}
	for _, sink := range l.Sinks {
		sink.Metadata(changed)
	}
}
