// Package changes keeps the log short about what is tried again and again: it says which failures
// are worth a line, and whether the end is.
package changes

import (
	"errors"
	"io/fs"
	"time"
)

// Log is the log of one thing that may fail for a while. Of its failures the first is logged, and
// then those with other words than the last that was logged, but none within a minute of another.
// The zero value works. A Log is not safe for concurrent use.
type Log struct {
	since    time.Time // when it first failed; zero while it works
	failures int       // since then
	logged   string    // the words that were logged last; empty if none were since then
	last     time.Time // when that was
	skipped  int       // failures that were not logged though their words were new, since last
}

// Failed notes a failure and reports whether it is to be logged, and if so how many there were in the
// last minute that were not.
func (l *Log) Failed(words string) (skipped int, ok bool) {
	now := time.Now()
	if l.since.IsZero() {
		l.since = now
	}
	l.failures++
	if words == l.logged {
		return 0, false
	}
	if !l.last.IsZero() && now.Sub(l.last) < time.Minute {
		l.skipped++
		return 0, false
	}
	skipped, l.skipped, l.last, l.logged = l.skipped, 0, now, words
	return skipped, true
}

// Works notes that it does not fail any more. If a failure was logged, so is the end, and ok is true:
// it has failed for some time, a number of times.
func (l *Log) Works() (after time.Duration, failures int, ok bool) {
	after, failures, ok = time.Since(l.since), l.failures, l.logged != ""
	l.since, l.failures, l.logged = time.Time{}, 0, ""
	return after, failures, ok
}

// Words returns what an error says, but for the name of a file: of many files that cannot be written
// one is worth a line.
func Words(err error) string {
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return file.Op + ": " + file.Err.Error()
	}
	return err.Error()
}
