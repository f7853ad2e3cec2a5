package budget

import (
	"cmp"
	"slices"
	"time"
)

const (
	activeFor = 20 // minutes after its last sample during which a series is active

	// settled is how long the series must exceed a level before a warning. When containers are replaced,
	// the old and the new series are both active for 20 minutes, which is no reason to warn.
	settled = 30 * time.Minute

	// namedEvery is how often the series of a target are counted by metric, which reads everything that is
	// remembered of its page.
	namedEvery = 10 * time.Minute
	maxMetrics = 20 // metrics remembered of a target, those with the most series
)

// Scrape is the result of one scrape of a target.
type Scrape struct {
	Target   string        // identifies the target, such as its job and instance
	Interval time.Duration // between scrapes
	Series   int           // series with a sample of this scrape, including those about the scrape itself
	Added    int           // how many of them the target did not show before
	Failed   bool          // the target could not be scraped, and Series counts only the series about the scrape

	// Names calls f with the metric name of each series; f does not keep the name. Names is called now and
	// then, before ObserveScrape returns. It may be nil.
	Names func(f func(name []byte))
}

// series counts the series of targets.
type series struct {
	targets map[string]*target
	over    [2]time.Time // since when the series exceed 80 and 100 percent of the budget; zero if they do not
}

func newSeries() series { return series{targets: map[string]*target{}} }

// target is the state of one target.
type target struct {
	interval time.Duration
	last     time.Time // of the last scrape
	lastGood time.Time // of the last successful one
	samples  int       // of the last one
	series   int       // of the last successful one
	own      int       // series about the scrape itself in the last failed one
	named    time.Time // when metrics was counted
	metrics  []Metric  // those with the most series, largest first; immutable
	vanished [activeFor]struct {
		minute int64
		series int // series shown by the last scrape before that minute
	}
}

// ObserveScrape counts a scrape. It is called after each scrape, for one target by one goroutine at a time.
func (b *Budget) ObserveScrape(s Scrape) {
	now := b.o.Now()
	b.mu.Lock()
	t := b.series.targets[s.Target]
	if t == nil {
		t = &target{}
		b.series.targets[s.Target] = t
	}
	t.observe(s, now)
	due := s.Names != nil && !s.Failed && now.Sub(t.named) >= namedEvery
	b.mu.Unlock()
	if !due {
		return
	}
	metrics := mostMetrics(s.Names)
	b.mu.Lock()
	t.named, t.metrics = now, metrics
	b.mu.Unlock()
}

// mostMetrics returns the metrics with the most series, largest first.
func mostMetrics(names func(f func(name []byte))) []Metric {
	series := map[string]int{}
	var last []byte // the name of the previous series; n of them are not yet in series
	n := 0
	names(func(name []byte) {
		if string(name) != string(last) {
			if n > 0 {
				series[string(last)] += n
			}
			last, n = append(last[:0], name...), 0
		}
		n++
	})
	if n > 0 {
		series[string(last)] += n
	}
	return largest(series, maxMetrics)
}

// largest returns the metrics with the most series, at most n, largest first.
func largest(series map[string]int, n int) []Metric {
	all := make([]Metric, 0, len(series))
	for name, n := range series {
		all = append(all, Metric{name, n})
	}
	slices.SortFunc(all, func(a, b Metric) int {
		return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Name, b.Name))
	})
	return slices.Clone(all[:min(n, len(all))])
}

func (t *target) observe(s Scrape, now time.Time) {
	t.interval, t.last, t.samples = s.Interval, now, s.Series
	if s.Failed {
		t.own = s.Series
		return
	}
	if gone := t.series + s.Added - s.Series; gone > 0 && !t.lastGood.IsZero() && now.Sub(t.lastGood) < activeFor*time.Minute {
		minute := t.lastGood.Unix() / 60
		v := &t.vanished[minute%activeFor]
		if v.minute != minute {
			v.minute, v.series = minute, 0
		}
		v.series += gone
	}
	t.series, t.lastGood = s.Series, now
}

// active returns the number of the target's series with a sample within the last 20 minutes.
func (t *target) active(now time.Time) int {
	n := 0
	if !t.lastGood.IsZero() && now.Sub(t.lastGood) < activeFor*time.Minute {
		n = t.series
	} else if now.Sub(t.last) < activeFor*time.Minute {
		n = t.own
	}
	minute := now.Unix() / 60
	for _, v := range t.vanished {
		if v.minute > minute-activeFor {
			n += v.series
		}
	}
	return n
}

// dataPoints returns the number of samples per minute of the target, or 0 if it is no longer scraped.
func (t *target) dataPoints(now time.Time) float64 {
	if t.interval <= 0 || now.Sub(t.last) > 2*t.interval+time.Minute {
		return 0
	}
	return float64(t.samples) * float64(time.Minute) / float64(t.interval)
}

// forget drops the targets that are no longer scraped.
func (s *series) forget(now time.Time) {
	for name, t := range s.targets {
		if now.Sub(t.last) > max(2*activeFor*time.Minute, 2*t.interval) {
			delete(s.targets, name)
		}
	}
}

// passed returns the level of the budget that the series have exceeded for a while: 0, 80 or 100 percent.
func (s *series) passed(now time.Time, used float64, limit int) int {
	reached, settledAt := passed(used, limit), 0
	for i, level := range [...]int{80, 100} {
		switch {
		case reached < level:
			s.over[i] = time.Time{}
		case s.over[i].IsZero():
			s.over[i] = now
		case now.Sub(s.over[i]) >= settled:
			settledAt = level
		}
	}
	return settledAt
}
