// Package multiline is a stage that makes one entry of lines that belong together, such as those of a
// stack trace.
//
// Which lines belong together is decided by their bytes and their timestamps alone, one stream of a log
// at a time, so that a log that is read again is joined as it was before. The one exception is a trace
// whose rest comes late: the stage waits for it for a short time only.
//
// While the rest of an entry may still come, the stage holds the batches that its lines were read in, and
// the log's position waits in front of them. Nothing of an entry is lost, and none is torn, when the agent
// is killed.
package multiline

import (
	"regexp"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lighter"
	"lighter/collector/stage"
)

// Config says which lines belong together, and how large an entry becomes.
type Config struct {
	// FirstLine matches the first lines of entries: other lines belong to the entry before them, and
	// pass alone if there is none. If it is nil, the stack traces of the common runtimes become entries,
	// and all other lines pass alone.
	FirstLine *regexp.Regexp
	// MaxLines and MaxBytes bound an entry, its newlines counted; 0 is 1,000 lines and 256 KiB. The line
	// that would exceed a bound begins another entry. No line is cut: one that is longer than MaxBytes is
	// an entry.
	MaxLines int
	MaxBytes int
	// Wait is how much later than the line before it, by their timestamps, a line of an entry may be; 0
	// is 500ms. An entry is also handed on when no line has come for twice as long, in which the log was read.
	Wait time.Duration
}

// Defaults of a Config.
const (
	DefaultMaxLines = 1000
	DefaultMaxBytes = 256 << 10
	DefaultWait     = 500 * time.Millisecond
)

// Metrics is what the stages of all logs count.
type Metrics struct {
	joined prometheus.Counter
	held   atomic.Int64 // bytes of the batches that all of them hold
}

// NewMetrics registers them on reg; a test passes a registry of its own.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	return &Metrics{joined: promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "lighter_log_lines_joined_total",
		Help: "Log lines that became part of the entry of an earlier line, such as those of a stack trace after its first.",
	})}
}

// Maker returns what makes the stage for a log. The stages are stage.Holders, and stage.Clocked.
func Maker(c Config, m *Metrics) stage.Maker {
	if c.MaxLines <= 0 {
		c.MaxLines = DefaultMaxLines
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Wait <= 0 {
		c.Wait = DefaultWait
	}
	return stage.Maker{Name: "multiline", New: func(log stage.Log, next lighter.Logs) lighter.Logs {
		return newJoiner(c, m, log, next)
	}}
}
