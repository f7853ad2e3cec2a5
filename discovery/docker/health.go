package docker

import (
	"log/slog"
	"sync"
	"time"
)

// Status reports whether the Engine can be reached. It can if its stream of events is open and it has
// responded to the last request for its containers.
type Status struct {
	Reachable     bool
	Since         time.Time // when Reachable last changed
	Err           string    // why the Engine cannot be reached
	APIVersion    string    // of the present connection, or of the last one
	EngineVersion string
	HostName      string // the Engine's name of its host, or ""
}

// health keeps the Status of an Engine and logs its changes.
type health struct {
	logger *slog.Logger

	mu       sync.Mutex
	now      Status
	failures int // failed attempts since the Engine was last reachable
}

func newHealth(logger *slog.Logger) health {
	return health{logger: logger, now: Status{Since: time.Now(), Err: "not connected yet"}}
}

func (h *health) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// versions records the versions of a new connection.
func (h *health) versions(api, engine string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.APIVersion, h.now.EngineVersion = api, engine
}

// up records that the Engine can be reached.
func (h *health) up() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now.Reachable {
		return
	}
	attrs := []any{"api_version", h.now.APIVersion, "engine_version", h.now.EngineVersion}
	if h.failures > 0 {
		attrs = append(attrs, "failures", h.failures, "after", time.Since(h.now.Since).Round(time.Millisecond).String())
	}
	h.logger.Info("connected to the Docker Engine", attrs...)
	h.now.Reachable, h.now.Since, h.now.Err, h.failures = true, time.Now(), "", 0
}

// down records that the Engine cannot be reached because of err, and logs that unless the text of err is
// the one that was logged last.
func (h *health) down(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures++
	if h.now.Reachable {
		h.now.Reachable, h.now.Since = false, time.Now()
	}
	if text := err.Error(); text != h.now.Err {
		h.now.Err = text
		h.logger.Warn("the Docker Engine cannot be reached, trying again", "error", text)
	}
}
