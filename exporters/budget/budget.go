// Package budget reports what the log lines and series that are sent amount to, beside what they may
// amount to: the bytes of a calendar month and what they project to, and the series as Grafana Cloud bills
// them. It warns ahead. It only reports: nothing is ever left out for a budget.
//
// A Budget is told of each batch of lines (AddBatch, or Logs in front of an endpoint) and of each scrape
// (ObserveScrape). Run warns, and writes what was counted to a file, so that a restart goes on where the
// last process ended; what was counted in the last minute before a kill is missing.
//
// # How a month is projected
//
// Lines are sorted into the hours in which they were written, whenever they are sent, so that a backlog
// counts for the time that it comes from. To what was sent since the month began (UTC) the projection adds,
// for each hour that is left, what the same hour of the week had in the last seven days; where that hour
// was not counted yet, what the same hour of the day had on average; and where there is none, the average of
// all. The hours are kept over the end of a month. Within a day of the first line, or of the month's
// first, nothing is warned of on account of the projection.
//
// # How series are counted
//
// A series is active for 20 minutes after its last sample. A data point a minute is included for each, so
// that what counts is the number of active series or of data points a minute, whichever is larger: a series
// that is scraped every 30 seconds counts twice. Only numbers are kept, not the series: one that vanishes
// from its page and is back within 20 minutes counts twice for that time.
package budget

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options are what a Budget is made of. Logger is required.
type Options struct {
	LogBytes int64            // the budget of a calendar month; 0: there is none
	Series   int              // the budget of series; 0: there is none
	File     string           // where what was counted is kept; empty: nowhere
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger
}

// Budget counts what is sent. Its methods may be called from any goroutine, except that Run may be called
// once.
type Budget struct {
	o Options

	saving sync.Mutex // held while the file is written; taken before mu
	failed string     // what was logged of the last write; empty if it did not fail; saving is held

	mu     sync.Mutex
	logs   logs
	series series
	warned warned
	dirty  bool // something is counted that the file lacks
}

// warned says which warnings of this month have been given: the level of each budget, 0, 80 or 100 percent.
type warned struct {
	Logs   int `json:"logs"`
	Series int `json:"series"`
}

// New returns a Budget that goes on with what the file has. A file that cannot be read, is damaged or of
// another version is logged, and the count begins anew.
func New(o Options) *Budget {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Budget{o: o, logs: newLogs(o.Now()), series: newSeries()}
	b.load()
	b.roll(o.Now())
	return b
}

// Run warns, and writes the file once a minute and when ctx ends. It returns nil then.
func (b *Budget) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			b.save()
			return nil
		case <-tick.C:
			b.check()
			b.save()
		}
	}
}

// check warns, and forgets targets that are not scraped any more.
func (b *Budget) check() {
	now := b.o.Now()
	b.mu.Lock()
	b.roll(now)
	b.series.forget(now)
	b.mu.Unlock()
	b.warn(now)
}

// roll begins a month if it has changed. mu is held.
func (b *Budget) roll(now time.Time) {
	if b.logs.roll(now) {
		b.warned = warned{}
		b.dirty = true
	}
}

// warn logs a budget that the projection passes, once a month at 80 and once at 100 percent.
func (b *Budget) warn(now time.Time) {
	b.mu.Lock()
	s := b.status(now)
	estimate := s.Logs.Projected
	if b.logs.known(now) < day || now.Sub(b.logs.month) < day {
		estimate = s.Logs.Used
	}
	logs := passed(float64(estimate), s.Logs.Limit)
	series := b.series.passed(now, float64(s.Series.Used), s.Series.Limit)
	tellLogs, tellSeries := logs > b.warned.Logs, series > b.warned.Series
	b.warned.Logs, b.warned.Series = max(b.warned.Logs, logs), max(b.warned.Series, series)
	b.dirty = b.dirty || tellLogs || tellSeries
	b.mu.Unlock()
	if tellLogs {
		b.o.Logger.Warn(fmt.Sprintf("the log lines of this month project to %.0f %% of their budget; nothing is left out for that. Leave out what nobody reads (health checks, debug lines, whole services), or raise the budget",
			percent(float64(s.Logs.Projected), s.Logs.Limit)),
			"projected", bytesText(s.Logs.Projected), "budget", bytesText(s.Logs.Limit), "used", bytesText(s.Logs.Used), "most", mostServices(s.Logs.Services))
	}
	if tellSeries {
		b.o.Logger.Warn(fmt.Sprintf("the series are at %.0f %% of their budget, counted as Grafana Cloud bills them; nothing is left out for that. Scrape less often (once a minute is included), drop metrics that nobody reads, or raise the budget",
			percent(float64(s.Series.Used), int64(s.Series.Limit))),
			"used", s.Series.Used, "budget", s.Series.Limit, "active", s.Series.Active, "data_points_per_minute", s.Series.DataPoints, "most", mostTargets(s.Series.Targets))
	}
}

// passed returns the level that n has reached of a limit: 0, 80 or 100 percent.
func passed[T int | int64](n float64, limit T) int {
	switch p := percent(n, limit); {
	case p > 100:
		return 100
	case p > 80:
		return 80
	}
	return 0
}

// percent returns n as percent of a limit, 0 if there is no limit.
func percent[T int | int64](n float64, limit T) float64 {
	if limit <= 0 {
		return 0
	}
	return 100 * n / float64(limit)
}
