// Package exporters is the parent of the packages that deliver what was collected: batches of log
// entries to Loki endpoints, and blocks of samples to remote-write endpoints. Endpoints run side by
// side, and each has its own memory, queue and retries, so that one that fails delays no other.
package exporters
