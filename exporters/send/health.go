package send

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"lighter/exporters/internal/changes"
	"lighter/exporters/internal/redacted"
)

// Status is an endpoint's state as the status page shows it.
type Status struct {
	Up          bool      // attempts to send data succeed, and the endpoint does not refuse all of it
	LastTaken   time.Time // when the endpoint last took something, or zero
	LastError   string    // the last failure or refusal; kept after recovery
	LastErrorAt time.Time
	Since       time.Time        // since when the endpoint has taken no data; zero while up
	Attempts    int              // failed attempts since then
	Delivered   int64            // items taken since the start
	Dropped     map[string]int64 // items refused for good since the start, by reason
}

// health follows the results of sending data to an endpoint, and logs changes: a failure at once, but at
// most one per minute, and the end of a logged failure. Reasons to hold are limited separately.
type health struct {
	o   Options
	url string

	pause pause // requested by the endpoint

	mu           sync.Mutex
	st           Status    // Up only reports whether the last attempt succeeded; see status
	sending      int       // number of requests with data in progress
	resumed      bool      // the next request continues to wait since waitingSince: it was in progress when the previous Sender ended
	waitingSince time.Time // while requests are in progress: since when they wait without any data being taken
	firstRefused time.Time // when the endpoint first refused data after it last took some, or zero
	lastRefused  time.Time // when it last refused data
	held         string    // why the endpoint is held, or empty
	failures     changes.Log
	holds        changes.Log

	unreadableSince time.Time // since when the data to send cannot be read
	unreadableWhy   string    // why it cannot be read, or empty
	reads           changes.Log
}

func newHealth(o Options) *health {
	return &health{o: o, url: redacted.URL(o.URL), st: Status{Up: true, Dropped: map[string]int64{}}}
}

// readyPatience is how long an endpoint may take nothing before it counts as not ready in /ready.
const readyPatience = time.Minute

// continueWith prepares for another Sender with other settings, which may fix the reason to hold.
func (h *health) continueWith(o Options) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.o = o
	h.held = ""
	h.resumed = !h.st.Up && !h.waitingSince.IsZero()
}

// begin records that a request with data is now in progress.
func (h *health) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sending == 0 && !h.resumed {
		h.waitingSince = time.Now()
	}
	h.resumed = false
	h.sending++
}

// end records that a request is no longer in progress, whatever its result.
func (h *health) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sending--
}

// taken records that the endpoint has taken at least one item of a request. The request is still in
// progress, and others may be.
func (h *health) taken(items int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	_, _, failed := h.failures.Works()
	if _, _, held := h.holds.Works(); failed || held {
		h.o.Logger.Info("the endpoint works again", "endpoint", h.o.Endpoint, "after", now.Sub(h.st.Since).Round(time.Millisecond), "failed_attempts", h.st.Attempts)
	}
	h.st.Up, h.st.LastTaken, h.st.Since, h.st.Attempts = true, now, time.Time{}, 0
	h.st.Delivered += int64(items)
	h.held = ""
	h.waitingSince, h.firstRefused, h.lastRefused = now, time.Time{}, time.Time{}
}

func (h *health) failed(a response, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	what := a.text
	if a.status != 0 {
		what = fmt.Sprintf("status %d: %s", a.status, a.text)
	}
	often := &h.failures
	if a.verdict == hold {
		h.held = fmt.Sprintf("%s (%s)", what, advice(a.status, h.o.Backend))
		what, often = h.held, &h.holds
	} else {
		h.held = ""
	}
	if h.st.Up {
		h.st.Up, h.st.Since = false, now
	}
	h.st.Attempts++
	h.st.LastError, h.st.LastErrorAt = what, now
	if skipped, ok := often.Failed(what); ok {
		fields := []any{"endpoint", h.o.Endpoint, "url", h.url, "error", what, "next_attempt_in", pause.Round(time.Millisecond)}
		if skipped > 0 {
			fields = append(fields, "unlogged_failures", skipped)
		}
		h.o.Logger.Warn("the endpoint does not accept data, trying again until it does", fields...)
	}
}

// unreadable records why the next data to send cannot be read. If err is nil, it can be read, or there is
// none.
func (h *health) unreadable(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if err == nil {
		if after, _, ok := h.reads.Works(); ok {
			h.o.Logger.Info("the data that waits on disk can be read again", "endpoint", h.o.Endpoint, "after", after.Round(time.Millisecond))
		}
		h.unreadableWhy = ""
		return
	}
	if h.unreadableWhy == "" {
		h.unreadableSince = now
	}
	h.unreadableWhy = err.Error()
	h.st.LastError, h.st.LastErrorAt = h.unreadableWhy, now
	if _, ok := h.reads.Failed(h.unreadableWhy); ok {
		h.o.Logger.Error("the data that waits on disk cannot be read, and later data waits too: trying again until it can be read", "endpoint", h.o.Endpoint, "error", err)
	}
}

func (h *health) dropped(reason string, items int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.st.Dropped[reason] += int64(items)
}

// refused records that the endpoint has refused some or all of a request. If it has taken the rest, a call
// of taken follows.
func (h *health) refused(a response) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastRefused, h.held = time.Now(), ""
	if h.firstRefused.IsZero() {
		h.firstRefused = h.lastRefused
	}
	h.st.LastError, h.st.LastErrorAt = fmt.Sprintf("status %d: %s", a.status, a.text), h.lastRefused
}

func (h *health) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	st := h.st
	st.Dropped = maps.Clone(st.Dropped)
	if since := h.nothingTakenSince(time.Now()); st.Up && !since.IsZero() {
		st.Up, st.Since = false, since
	}
	return st
}

// nothingTakenSince returns since when the endpoint has taken no data, if that counts against the endpoint,
// and otherwise the zero time. The caller holds h.mu.
//
// It counts if requests have been waiting for a minute, or if the endpoint has refused all data for a
// minute. If the endpoint has taken data before, the first and the last refusal must be a minute apart: a
// single refused line on a quiet host indicates a problem of that line, not of the endpoint.
func (h *health) nothingTakenSince(now time.Time) time.Time {
	refusedUntil := h.lastRefused
	if h.st.LastTaken.IsZero() {
		refusedUntil = now
	}
	switch {
	case !h.firstRefused.IsZero() && refusedUntil.Sub(h.firstRefused) >= readyPatience:
		return h.firstRefused
	case h.sending > 0 && now.Sub(h.waitingSince) >= readyPatience:
		return h.waitingSince
	}
	return time.Time{}
}

func (h *health) err(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held != "" {
		return fmt.Errorf("%s refuses the data: %s", h.o.Endpoint, h.held)
	}
	if d := now.Sub(h.unreadableSince); h.unreadableWhy != "" && d >= readyPatience {
		return fmt.Errorf("nothing has been sent to %s for %s: the data that waits on disk cannot be read: %s", h.o.Endpoint, d.Round(time.Second), h.unreadableWhy)
	}
	if since := h.nothingTakenSince(now); !since.IsZero() {
		return fmt.Errorf("%s has accepted no data for %s: %s", h.o.Endpoint, now.Sub(since).Round(time.Second), orUnknown(h.st.LastError))
	}
	return nil
}

func orUnknown(s string) string {
	if s == "" {
		return "no response yet"
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
