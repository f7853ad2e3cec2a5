// Package collector runs what collects: one Runner a container's log or a scrape target,
// started and stopped as discovery sees them come and go.
//
// A Manager compares the jobs that are wanted with those that run. It owns the
// goroutines of its Runners and waits for each; a Runner never starts another.
package collector
