package scrape

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// Health is the health of a target, according to its last scrape.
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
	LastScrape time.Time     // when it began, or zero
	Duration   time.Duration // of the last scrape
	Samples    int           // of the last scrape, after metric relabelling; 0 if it failed
	Err        string        // why the last scrape failed, or empty
	Warning    string        // which samples of the last scrape were dropped, and why; empty if it failed, or none was
}

// Status returns the result of the last scrape.
func (l *Loop) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// note records the result of a scrape, and logs it if it has changed.
func (l *Loop) note(start time.Time, took time.Duration, n counts, err error) {
	var dropped error
	l.mu.Lock()
	l.status.LastScrape, l.status.Duration = start, took
	l.status.Health, l.status.Samples, l.status.Err, l.status.Warning = Up, n.kept, "", ""
	if err != nil {
		l.status.Health, l.status.Samples, l.status.Err = Down, 0, err.Error()
	} else if dropped = n.dropped(); dropped != nil {
		l.status.Warning = "samples are dropped: " + dropped.Error()
	}
	l.mu.Unlock()
	l.logChange(&l.failing, "scrape failed", "target works again", err)
	if err == nil {
		l.logChange(&l.dropping, "samples of its page are dropped", "no samples of its page are dropped any more", dropped)
	}
}

// dropped returns an error that lists which samples of a valid page were not handed on, and why, or nil.
func (n *counts) dropped() error {
	if n.duplicate+n.outOfOrder+n.ahead == 0 {
		return nil
	}
	var all []string
	for _, of := range []struct {
		n   int
		why string
	}{
		{n.duplicate, "of a series that the page shows more than once (the first value counts)"},
		{n.outOfOrder, "with a timestamp before that of the last sample of its series"},
		{n.ahead, fmt.Sprintf("with a timestamp more than %.0f minutes ahead of this host's clock (backends refuse them: compare the clocks)", maxAhead.Minutes())},
	} {
		if of.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", of.n, of.why))
		}
	}
	return errors.New(strings.Join(all, ", "))
}

// logChange logs a failure once, again when it changes to another, and once when it is over. The text for a
// broken page, or for one without room, differs each time, but counts as the same failure.
func (l *Loop) logChange(f *lighter.Failures, failed, over string, err error) {
	if err == nil {
		if after, n, ended := f.Works(); ended {
			l.Logger.Info(over, "target", l.target.shown, "after", after.Round(time.Millisecond), "failures", n)
		}
		return
	}
	what := err.Error()
	if result := resultOf(err); result == resultBadContent || result == resultNoRoom {
		what = result
	}
	if f.Failed(what) {
		l.Logger.Warn(failed, "target", l.target.shown, "job", l.target.labels.Get("job"), "error", err)
	}
}
