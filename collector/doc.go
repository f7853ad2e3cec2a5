// Package collector runs the collectors: one Runner per container log or scrape target, started and stopped
// as discovery finds and loses them.
//
// A Manager compares the wanted jobs with the running ones. It owns the goroutines of its Runners and waits
// for each; a Runner never starts another.
package collector
