package dockerlog

import (
	"github.com/prometheus/client_golang/prometheus"

	"lighter/collector/tail"
)

// What tailers of both kinds share is package tail's.
type (
	// Buffers are the memory that all tailers of a process read into.
	Buffers = tail.Buffers
	// Metrics is what all tailers of a process count.
	Metrics = tail.Metrics
	// Sink takes batches for delivery.
	Sink = tail.Sink
	// Status is what the status page shows of a Tailer.
	Status = tail.Status
)

// What a Tailer is doing.
const (
	Opening   = tail.Opening
	Following = tail.Following
	Waiting   = tail.Waiting
	Broken    = tail.Broken
	Stopped   = tail.Stopped
)

// NewMetrics registers them on reg; a test passes a registry of its own.
func NewMetrics(reg prometheus.Registerer) *Metrics { return tail.NewMetrics(reg) }
