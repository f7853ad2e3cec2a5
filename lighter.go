// Package lighter defines the vocabulary of the whole agent: what is collected from (Target, Container),
// what a log becomes (Stream, Entry, Batch) and what a scrape becomes (Block, Metadata).
//
// It consists of data and pure functions. Discovery makes targets, collectors turn them into batches and
// blocks, and exporters deliver those. The three share only this package.
package lighter

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Target is a source to collect from: an address that serves metrics, a container that writes a log, or
// both.
type Target struct {
	// Labels are the labels from discovery, including __meta_ ones, until relabelling. Afterwards they are
	// the labels to send, in addition to those like __address__ that a scrape reads.
	Labels labels.Labels

	// Container is nil for a target that is not a container, such as a static one. Targets share it, and it
	// is immutable once handed on.
	Container *Container
}

// Container is the Engine's description of a container, as far as collecting needs it.
type Container struct {
	ID         string    // 64 hex digits
	Name       string    // without the leading slash
	TTY        bool      // its log is raw: no frames, one stream
	LogDriver  string    // "json-file", "local", "none", …
	LogPath    string    // the json-file's path on the host; empty for other drivers
	LogFiles   LogFiles  // how the log is kept, in all its files
	Running    bool      // true for paused containers, too
	Self       bool      // the container that this process runs in
	SkipReason string    // why nothing of it is shipped: its settings could not be read, and it may have opted out; otherwise empty
	Created    time.Time // of the container, not of its last start
	Started    time.Time // of the last start; zero if it never ran
	Finished   time.Time // of the last stop; zero if it never stopped

	Image       string // from which it was created, as named at that time
	State       string // the Engine's state: "running", "paused", "exited", …
	Health      string // "healthy", "unhealthy" or "starting"; empty without a health check
	ExitCode    int    // of the last run that has ended
	Restarts    int    // by the Engine, since somebody started the container
	OOMKilled   bool   // in the present run, or in the last one
	PID         int    // of the first process, on the Engine's host; 0 while the container does not run
	NetworkMode string // "bridge", "host", "container:" and an ID, …
	Limits      Limits

	// OldEngine reports whether the Engine is older than 23: its responses may lack or repeat lines of a
	// log that is rotated, or whose files are compressed.
	OldEngine bool

	// Podman reports whether the Engine is Podman: the times of a log are whole seconds, and a follower
	// may leave out lines at the end of a container's run.
	Podman bool
}

// LogFiles is how a log is kept in files. The newest is written, and the oldest deleted. It is the zero
// value if that is unknown, or if there is one file that grows.
type LogFiles struct {
	MaxBytes   int64 // size of a file at which the next one is begun
	Max        int   // number of files
	Compressed bool  // all but the newest are compressed
}

// Limits are the limits of a container's resources. Zero means no limit.
type Limits struct {
	MemoryBytes            int64
	MemoryReservationBytes int64 // memory that the container should keep when memory is short
	CPUQuota               int64 // microseconds of CPU time in each period; zero means no limit
	CPUPeriod              int64 // microseconds; zero if there is no quota
}

// Machine is an Engine's description of its host.
type Machine struct {
	CPUs          int
	MemoryBytes   int64
	StorageDriver string // of the Engine, such as "overlay2"
}

// LabelLogStream is the label that a log source sets to "stdout" or "stderr" before
// its relabel rules run, as Alloy's loki.source.docker does.
const LabelLogStream = "__meta_docker_container_log_stream"

// LabelDockerHost is the Engine's own name of its host (docker info's Name). It is lighter's own label;
// Prometheus's Docker discovery does not have it.
const LabelDockerHost = "__meta_docker_host_name"

// LabelTenant is the label that names the tenant of a stream. It is not sent as a label.
const LabelTenant = "__tenant_id__"

// Event is something that happened to a container, as reported by the Engine.
type Event struct {
	Time      int64  // Unix nanoseconds, on the Engine's clock
	Container string // its id
	Action    string // "start", "die", "oom", "health_status", …
	Image     string // from which the container was created
	ExitCode  int    // of "die"
	Health    string // of "health_status", such as "unhealthy"
}
