// Package lighter holds the words that the whole agent is written in: what is
// collected from (Target, Container), what a log becomes (Stream, Entry, Batch)
// and what a scrape becomes (Block, Metadata).
//
// It is data and pure functions. Discovery makes targets, collectors turn them
// into batches and blocks, exporters deliver those; the three meet here and
// nowhere else.
package lighter

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Target is what is collected from: one address that serves metrics, or one
// container that writes a log, or both.
type Target struct {
	// Labels are those that discovery gives, __meta_ ones included, until relabelling;
	// afterwards those that are sent, beside the __address__ kind that a scrape reads.
	Labels labels.Labels

	// Container is nil for a target that is none, such as a static one. It is shared
	// between targets and not changed once handed on.
	Container *Container
}

// Container is what the Engine says of a container, as far as collecting needs it.
type Container struct {
	ID         string    // 64 hex digits
	Name       string    // without the leading slash
	TTY        bool      // its log is raw: no frames, one stream
	LogDriver  string    // "json-file", "local", "none", …
	LogPath    string    // the json-file's path on the host; empty for other drivers
	LogFiles   LogFiles  // how the log is kept, over all its files
	Running    bool      // paused ones run too
	Self       bool      // the container that this process runs in
	SkipReason string    // why nothing of it is shipped: its settings could not be read, and it may have opted out; else empty
	Created    time.Time // of the container, not of its last start
	Started    time.Time // of the last start; zero if it never ran
	Finished   time.Time // of the last stop; zero while it never stopped

	Image       string // that it was created from, as it was named then
	State       string // "running", "paused", "exited", …, in the Engine's words
	Health      string // "healthy", "unhealthy" or "starting"; empty if the container has no health check
	ExitCode    int    // of the last run that has ended
	Restarts    int    // by the Engine, since somebody started the container
	OOMKilled   bool   // in the present run, or in the last one
	PID         int    // of the first process, on the Engine's host; 0 while the container does not run
	NetworkMode string // "bridge", "host", "container:" and an id, …
	Limits      Limits

	// OldEngine reports whether the Engine is older than 23: what it gives of a log that is rotated, or
	// whose files are compressed, may lack lines or have them twice.
	OldEngine bool

	// Podman reports whether the Engine is Podman: the times of a log are whole seconds, and a follower
	// may leave out lines at the end of a container's run.
	Podman bool
}

// LogFiles is how a log is kept in files, of which the newest is written and the oldest thrown
// away. It is the zero value where that is not known, or where there is one file that grows.
type LogFiles struct {
	MaxBytes   int64 // of a file; then the next one is begun
	Max        int   // number of files
	Compressed bool  // all but the newest
}

// Limits are what a container may use. Zero means that there is no limit.
type Limits struct {
	MemoryBytes            int64
	MemoryReservationBytes int64 // what the container is to keep when memory is short
	CPUQuota               int64 // microseconds of CPU time in each period; zero if there is no limit
	CPUPeriod              int64 // microseconds; zero if there is no quota
}

// Machine is what an Engine tells of its host.
type Machine struct {
	CPUs          int
	MemoryBytes   int64
	StorageDriver string // of the Engine, such as "overlay2"
}

// LabelLogStream is the label that a log source sets to "stdout" or "stderr" before
// its relabel rules run, as Alloy's loki.source.docker does.
const LabelLogStream = "__meta_docker_container_log_stream"

// LabelDockerHost is the Engine's own name of its host (docker info's Name). It is
// lighter's, Prometheus's Docker discovery has no such label.
const LabelDockerHost = "__meta_docker_host_name"

// LabelTenant is the label of a stream that names the tenant whose it is. It is not sent as a label.
const LabelTenant = "__tenant_id__"

// Event is something that happened to a container, as the Engine tells.
type Event struct {
	Time      int64  // Unix nanoseconds, on the Engine's clock
	Container string // its id
	Action    string // "start", "die", "oom", "health_status", …
	Image     string // as the container was created from
	ExitCode  int    // of "die"
	Health    string // of "health_status", such as "unhealthy"
}
