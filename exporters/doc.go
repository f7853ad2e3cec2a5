// Package exporters is the parent of the packages that deliver what was collected: batches of log entries
// to Loki endpoints, and blocks of samples to remote-write endpoints. Endpoints run concurrently, each with
// its own memory, queue and retries, so that a failing one delays no other.
package exporters
