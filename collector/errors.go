// Package collector runs what collects: one Runner a container's log or a scrape target,
// started and stopped as discovery sees them come and go.
//
// A Manager compares the jobs that are wanted with those that run. It owns the
// goroutines of its Runners and waits for each; a Runner never starts another.
package collector

import "errors"

// ErrGone is the cause (context.Cause) with which a Runner's context ends when its target
// has vanished, and not merely the agent stops: a scrape then marks its series as stale.
var ErrGone = errors.New("target is gone")
