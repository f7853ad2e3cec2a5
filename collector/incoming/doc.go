// Package incoming is what the sources have in common that others send log entries to: push, which takes
// requests, and syslog, which takes messages.
//
// Streams turns the label set of an entry into the stream that it is of, by the relabel rules of the source.
// A Clock gives times to entries that are to have the time of their arrival. Paths hands batches on, one at a
// time and each to all paths, and tells when all of them have acknowledged one.
package incoming
