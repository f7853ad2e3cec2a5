// Package quietconn provides connections to a Unix socket that wake the process only while somebody reads
// or writes.
//
// The Go runtime registers every socket with its network poller for as long as the socket is open. Whenever
// data arrives, the poller wakes the process, even if no goroutine reads. A Docker Engine writes a log line
// by line, and the readers of logs pause between two reads, so almost all of these wake-ups are useless:
// following ten containers that write 200 lines a second each takes the agent 0.6 % of a core with such
// connections and 2.3 % with ordinary ones (docs/performance.md describes the measurement).
// BenchmarkTrickle measures only the reading.
//
// A connection of this package is a net.Conn like any other. It differs from package net's only
// in when the process wakes.
package quietconn
