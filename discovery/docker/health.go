package docker

import (
	"log/slog"
	"sync"
	"time"

	"lighter"
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
	failures lighter.Failures // to reach the Engine
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
	if _, n, failed := h.failures.Works(); failed {
		attrs = append(attrs, "failures", n, "after", time.Since(h.now.Since).Round(time.Millisecond).String())
	}
	h.logger.Info("connected to the Docker Engine", attrs...)
	h.now.Reachable, h.now.Since, h.now.Err = true, time.Now(), ""
}

// down records that the Engine cannot be reached because of err, and logs that if it is news.
func (h *health) down(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now.Reachable {
		h.now.Reachable, h.now.Since = false, time.Now()
	}
	h.now.Err = err.Error()
	if h.failures.Set(err) {
		h.logger.Warn("the Docker Engine cannot be reached, trying again", "error", h.now.Err)
	}
}
