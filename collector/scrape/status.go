package scrape

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Health of a target, by its last scrape.
type Health string

// The values of Health.
const (
	Unknown Health = "unknown" // not scraped yet
	Up      Health = "up"
	Down    Health = "down"
)

// Status is a loop's state as the status page shows it.
type Status struct {
	Labels     labels.Labels
	URL        string // never holds a password
	Health     Health
	LastScrape time.Time     // when it began; zero if never
	Duration   time.Duration // of the last scrape
	Samples    int           // of the last scrape, after metric relabelling; 0 if it failed
	Err        string        // why the last scrape failed; empty if it did not
}

// Status returns what came of the last scrape.
func (l *Loop) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// note takes down what came of a scrape, and logs it if that has changed.
func (l *Loop) note(start time.Time, took time.Duration, n counts, err error) {
	l.mu.Lock()
	l.status.LastScrape, l.status.Duration = start, took
	l.status.Health, l.status.Samples, l.status.Err = Up, n.kept, ""
	if err != nil {
		l.status.Health, l.status.Samples, l.status.Err = Down, 0, err.Error()
	}
	l.mu.Unlock()
	l.logChange(&l.failing, "scrape failed", "target works again", err)
}

// trouble is something that may fail again and again; the zero value has not failed.
type trouble struct {
	since  time.Time // of the first of the present failures; zero if there is none
	times  int
	logged string
}

// logChange logs a failure once, again when it becomes another, and once when it is over.
// What a broken page says differs each time and is one failure.
func (l *Loop) logChange(t *trouble, failed, over string, err error) {
	if err == nil {
		if t.times > 0 {
			l.Logger.Info(over, "target", l.target.shown, "after", time.Since(t.since).Round(time.Millisecond), "failures", t.times)
			*t = trouble{}
		}
		return
	}
	if t.times == 0 {
		t.since = time.Now()
	}
	t.times++
	what := err.Error()
	if result := resultOf(err); result == resultBadContent {
		what = result
	}
	if what != t.logged {
		t.logged = what
		l.Logger.Warn(failed, "target", l.target.shown, "job", l.target.labels.Get("job"), "error", err)
	}
}
