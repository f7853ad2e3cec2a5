// Package incoming has the common parts of the sources that receive log entries over the network: push, which
// receives requests, and syslog, which receives messages.
//
// Streams applies the relabel rules of the source to the label set of an entry and returns the stream that the
// entry belongs to. A Clock gives entries the time of their arrival. Paths passes each batch on to all paths,
// one batch at a time, and reports when all paths have acknowledged it.
package incoming
