package send

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"lighter/exporters/internal/redacted"
)

// Status is an endpoint's state as the status page shows it.
type Status struct {
	Up          bool      // the last attempt was answered as it should be
	LastTaken   time.Time // when the endpoint last took something; zero if never
	LastError   string    // the last failure or refusal; kept after recovery
	LastErrorAt time.Time
	Since       time.Time        // when the present failure began; zero while up
	Attempts    int              // failed ones since then
	Delivered   int64            // items taken since the start
	Dropped     map[string]int64 // items refused for good since the start, by reason
}

// health follows one endpoint and logs what changes: a failure at once, but none more often than
// once a minute, and the end of one that it has logged. What is held has a minute of its own.
type health struct {
	o   Options
	url string

	mu           sync.Mutex
	st           Status
	waitingSince time.Time // since when something waits with nothing taken; zero while nothing does
	held         string    // why the endpoint is held; empty while it is not
	logged       string    // the failure last logged, of the present ones
	failures     throttle
	holds        throttle

	unreadSince time.Time // since when what is to be sent cannot be read
	unread      string    // why; empty while it can
	unreadSaid  string    // the reason last logged, of the present ones
	reads       throttle
}

func newHealth(o Options) *health {
	return &health{o: o, url: redacted.URL(o.URL), st: Status{Up: true, Dropped: map[string]int64{}}}
}

// readyPatience is how long an endpoint may take nothing before it counts as not ready
// (the contract of /ready).
const readyPatience = time.Minute

func (h *health) waiting() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waitingSince.IsZero() {
		h.waitingSince = time.Now()
	}
}

func (h *health) taken(items int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.logged != "" {
		h.o.Logger.Info("endpoint works again", "endpoint", h.o.Endpoint, "after", now.Sub(h.st.Since).Round(time.Millisecond), "failed_attempts", h.st.Attempts)
	}
	if !h.st.Up {
		h.o.Metrics.up.WithLabelValues(h.o.Endpoint).Set(1)
	}
	h.st.Up, h.st.LastTaken, h.st.Since, h.st.Attempts = true, now, time.Time{}, 0
	h.st.Delivered += int64(items)
	h.waitingSince, h.held, h.logged = time.Time{}, "", ""
}

func (h *health) failed(a answer, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	what := a.text
	if a.status != 0 {
		what = fmt.Sprintf("status %d: %s", a.status, a.text)
	}
	often := &h.failures
	if a.verdict == hold {
		h.held = fmt.Sprintf("%s (%s)", what, advice(a.status))
		what, often = h.held, &h.holds
	} else {
		h.held = ""
	}
	if h.st.Up {
		h.st.Up, h.st.Since = false, now
		h.o.Metrics.up.WithLabelValues(h.o.Endpoint).Set(0)
	}
	h.st.Attempts++
	h.st.LastError, h.st.LastErrorAt = what, now
	if what == h.logged {
		return
	}
	if skipped, ok := often.allow(now); ok {
		h.logged = what
		fields := []any{"endpoint", h.o.Endpoint, "url", h.url, "error", what, "next_attempt_in", pause.Round(time.Millisecond)}
		if skipped > 0 {
			fields = append(fields, "unlogged_failures", skipped)
		}
		h.o.Logger.Warn("endpoint does not take data, trying again until it does", fields...)
	}
}

// unreadable notes that what is to be sent next cannot be read, and why; nil: it can be, or there
// is nothing.
func (h *health) unreadable(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if err == nil {
		if h.unreadSaid != "" {
			h.o.Logger.Info("what waits on disk can be read again", "endpoint", h.o.Endpoint, "after", now.Sub(h.unreadSince).Round(time.Millisecond))
		}
		h.unread, h.unreadSaid = "", ""
		return
	}
	if h.unread == "" {
		h.unreadSince = now
	}
	h.unread = err.Error()
	h.st.LastError, h.st.LastErrorAt = h.unread, now
	if h.unread == h.unreadSaid {
		return
	}
	if _, ok := h.reads.allow(now); ok {
		h.unreadSaid = h.unread
		h.o.Logger.Error("what waits on disk cannot be read, and what came after it waits too: trying again until it can", "endpoint", h.o.Endpoint, "error", err)
	}
}

func (h *health) dropped(reason string, items int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.st.Dropped[reason] += int64(items)
}

func (h *health) refused(a answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.st.LastError, h.st.LastErrorAt = fmt.Sprintf("status %d: %s", a.status, a.text), time.Now()
}

func (h *health) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	st := h.st
	st.Dropped = maps.Clone(st.Dropped)
	return st
}

func (h *health) err(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held != "" {
		return fmt.Errorf("%s refuses what is sent: %s", h.o.Endpoint, h.held)
	}
	if d := now.Sub(h.unreadSince); h.unread != "" && d >= readyPatience {
		return fmt.Errorf("%s is sent nothing for %s: what waits on disk cannot be read: %s", h.o.Endpoint, d.Round(time.Second), h.unread)
	}
	if h.waitingSince.IsZero() {
		return nil
	}
	if d := now.Sub(h.waitingSince); d >= readyPatience {
		return fmt.Errorf("%s has taken nothing for %s: %s", h.o.Endpoint, d.Round(time.Second), orUnknown(h.st.LastError))
	}
	return nil
}

func orUnknown(s string) string {
	if s == "" {
		return "no answer yet"
	}
	return s
}

// throttle lets a message through at most once a minute. The zero value is ready.
type throttle struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (t *throttle) allow(now time.Time) (skipped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.last.IsZero() && now.Sub(t.last) < time.Minute {
		t.skipped++
		return 0, false
	}
	skipped, t.skipped, t.last = t.skipped, 0, now
	return skipped, true
}
