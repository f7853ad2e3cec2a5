// Package budget reports the volume of the log lines and series that are sent, relative to a budget: the
// bytes of a calendar month with a projection to its end, and the series as Grafana Cloud bills them. It
// warns in advance. It only reports: nothing is ever dropped because of a budget.
//
// A Budget counts each batch of lines (AddBatch, or Logs in front of an endpoint) and each scrape
// (ObserveScrape). Run logs warnings and writes the counts to a file, so that a restart continues where the
// last process ended; after a kill, the counts of the last minute are missing.
//
// # How a month is projected
//
// Lines are assigned to the hours in which they were written, whenever they are sent, so that a backlog
// counts for the time that it comes from. The projection adds to the bytes sent since the month began
// (UTC), for each remaining hour, the bytes of the same hour of the week in the last seven days. If that
// hour was not counted, it uses the average of the same hour of the day, and otherwise the average of all
// hours. The hours are kept beyond the end of a month. Within a day of the first line, or of the beginning
// of the month, the projection causes no warning.
//
// # How series are counted
//
// A series is active for 20 minutes after its last sample. Grafana Cloud includes one data point per minute
// for each, so that the larger of the number of active series and the number of data points per minute
// counts: a series that is scraped every 30 seconds counts twice. Only the numbers of series are kept, not
// the series: one that vanishes from its page and returns within 20 minutes counts twice during that time.
package budget

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options configure a Budget. Logger is required.
type Options struct {
	LogBytes int64            // the budget of a calendar month; 0 means none
	Series   int              // the budget of series; 0 means none
	File     string           // where the counts are kept; empty means nowhere
	Now      func() time.Time // if nil, time.Now
	Logger   *slog.Logger
}

// Budget counts what is sent. Its methods may be called from any goroutine, except that Run may be called
// once.
type Budget struct {
	o Options

	saving sync.Mutex // held while the file is written; locked before mu
	failed string     // the last logged write error, or empty; guarded by saving

	mu     sync.Mutex
	logs   logs
	series series
	warned warned
	dirty  bool // the file lacks some counts
}

// warned records the warnings of this month: the level of each budget, 0, 80 or 100 percent.
type warned struct {
	Logs   int `json:"logs"`
	Series int `json:"series"`
}

// New returns a Budget that continues from the file. If the file cannot be read, is damaged or has another
// version, that is logged and counting starts anew.
func New(o Options) *Budget {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Budget{o: o, logs: newLogs(o.Now()), series: newSeries()}
	b.load()
	b.roll(o.Now())
	return b
}

// Run logs warnings, and writes the file once a minute and when ctx ends. It then returns nil.
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

// check logs warnings, and forgets targets that are no longer scraped.
func (b *Budget) check() {
	now := b.o.Now()
	b.mu.Lock()
	b.roll(now)
	b.series.forget(now)
	b.mu.Unlock()
	b.warn(now)
}

// roll begins a new month if it has changed. The caller holds mu.
func (b *Budget) roll(now time.Time) {
	if b.logs.roll(now) {
		b.warned = warned{}
		b.dirty = true
	}
}

// warn logs a budget that the projection exceeds, once a month at 80 and once at 100 percent.
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

// passed returns the level of a limit that n has reached: 0, 80 or 100 percent.
func passed[T int | int64](n float64, limit T) int {
	switch p := percent(n, limit); {
	case p > 100:
		return 100
	case p > 80:
		return 80
	}
	return 0
}

// percent returns n as a percentage of a limit, or 0 if there is no limit.
func percent[T int | int64](n float64, limit T) float64 {
	if limit <= 0 {
		return 0
	}
	return 100 * n / float64(limit)
}
