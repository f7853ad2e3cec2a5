// Package multiline is a stage that joins lines that belong together, such as those of a stack trace, into
// one entry.
//
// Only the bytes and the timestamps of lines decide which of them belong together, one stream of a log at a
// time, so that a log that is read again is joined in the same way. The one exception is a trace whose rest
// comes late: the stage waits for it only for a short time.
//
// While the rest of an entry may still come, the stage holds the batches that its lines were read in, and
// the log's position stays before them. If the agent is killed, no entry is torn and no part of one is
// lost.
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

// Config decides which lines belong together, and how large an entry may become.
type Config struct {
	// FirstLine matches the first lines of entries. Other lines belong to the entry before them, and pass
	// alone if there is none. If FirstLine is nil, the stack traces of the common runtimes become entries,
	// and all other lines pass alone.
	FirstLine *regexp.Regexp
	// MaxLines and MaxBytes limit an entry, including its newlines; 0 means 1,000 lines and 256 KiB. A line
	// that would exceed a limit begins another entry. No line is cut: a line longer than MaxBytes is an
	// entry.
	MaxLines int
	MaxBytes int
	// Wait is the largest difference between the timestamps of two successive lines of an entry; 0 means
	// 500ms. An entry is also handed on when the log has been read for twice that time without a new line.
	Wait time.Duration
}

// Defaults of Config.
const (
	DefaultMaxLines = 1000
	DefaultMaxBytes = 256 << 10
	DefaultWait     = 500 * time.Millisecond
)

// Metrics counts what the stages of all logs do.
type Metrics struct {
	joined prometheus.Counter
	held   atomic.Int64 // bytes of the batches that all stages hold
}

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	return &Metrics{joined: promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "lighter_log_lines_joined_total",
		Help: "Log lines that became part of the entry of an earlier line, such as those of a stack trace after its first.",
	})}
}

// Maker makes the stages, which are stage.Holders and stage.Clocked.
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
