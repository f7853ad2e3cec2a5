// Package changes limits logging of what is tried repeatedly: it decides which failures are worth a log
// line, and whether their end is.
package changes

import (
	"errors"
	"io/fs"
	"time"
)

// Log decides about logging one thing that may fail for a while. It logs the first failure, and then those
// whose text differs from the last logged one, but none within a minute of another. The zero value is ready
// to use. A Log is not safe for concurrent use.
type Log struct {
	since    time.Time // when it first failed; zero while it works
	failures int       // since then
	logged   string    // the text logged last; empty if none was since then
	last     time.Time // when that was
	skipped  int       // failures with a new text that were not logged since last
}

// Failed records a failure and reports whether to log it. skipped is the number of failures in the last
// minute that were not logged.
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

// Works records that it no longer fails. If a failure was logged, ok is true, so that the end is logged,
// too; after and failures are the duration and number of the failures.
func (l *Log) Works() (after time.Duration, failures int, ok bool) {
	after, failures, ok = time.Since(l.since), l.failures, l.logged != ""
	l.since, l.failures, l.logged = time.Time{}, 0, ""
	return after, failures, ok
}

// WithoutPath returns the text of an error without a file name: if many files cannot be written, one log line is
// enough.
func WithoutPath(err error) string {
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return file.Op + ": " + file.Err.Error()
	}
	return err.Error()
}
