package docker

import (
	"log/slog"
	"sync"
	"time"
)

// Status says whether the Engine is reachable: whether its stream of events is open and
// the last list of its containers came.
type Status struct {
	Reachable     bool
	Since         time.Time // it is, or is not
	Err           string    // why it is not
	APIVersion    string    // spoken now, or last
	EngineVersion string
	HostName      string // the Engine's name of its host; empty if it does not tell
}

// health keeps a Status, and logs its changes: a failure when its text changes, the
// recovery once.
type health struct {
	logger *slog.Logger

	mu       sync.Mutex
	now      Status
	failures int // since it was last reachable
}

func newHealth(logger *slog.Logger) health {
	return health{logger: logger, now: Status{Since: time.Now(), Err: "not connected yet"}}
}

func (h *health) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// versions notes what a connection speaks.
func (h *health) versions(api, engine string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.APIVersion, h.now.EngineVersion = api, engine
}

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
