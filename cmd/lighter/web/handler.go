package web

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler answers the paths of the agent's API; they are few and none has a variable
// part, so a map of them is the router.
type handler struct {
	source Source
	page   *page
	paths  map[string]http.Handler
}

func newHandler(o Options) *handler {
	h := &handler{source: o.Source, page: newPage()}
	metrics := promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	})
	h.paths = map[string]http.Handler{
		"/":              http.HandlerFunc(h.servePage),
		"/health":        http.HandlerFunc(serveHealth),
		"/-/healthy":     http.HandlerFunc(serveHealth),
		"/ready":         http.HandlerFunc(h.serveReady),
		"/-/ready":       http.HandlerFunc(h.serveReady),
		"/metrics":       metrics,
		"/api/v1/status": http.HandlerFunc(h.serveStatus),
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", h.page.policy)
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")

	next, ok := h.paths[r.URL.Path]
	switch {
	case !ok:
		serveError(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		serveError(w, http.StatusMethodNotAllowed, r.URL.Path+" answers GET and HEAD, not "+r.Method)
	default:
		next.ServeHTTP(w, r)
	}
}

// state is the body of /health and /ready.
type state struct {
	Status string            `json:"status"` // "ok" or "degraded"
	Checks map[string]string `json:"checks,omitempty"`
}

// serveHealth says that the process serves, and nothing about how it fares.
func serveHealth(w http.ResponseWriter, _ *http.Request) {
	serveJSON(w, http.StatusOK, state{Status: "ok"})
}

func (h *handler) serveReady(w http.ResponseWriter, _ *http.Request) {
	s, code := state{Status: "ok", Checks: map[string]string{}}, http.StatusOK
	for _, c := range h.source.Ready() {
		s.Checks[c.Name] = "ok"
		if c.Fail != "" {
			s.Checks[c.Name] = "fail: " + c.Fail
			s.Status, code = "degraded", http.StatusServiceUnavailable
		}
	}
	serveJSON(w, code, s)
}

func (h *handler) serveStatus(w http.ResponseWriter, _ *http.Request) {
	serveJSON(w, http.StatusOK, h.source.Status().ordered())
}

func (h *handler) servePage(w http.ResponseWriter, _ *http.Request) {
	body, err := h.page.render(h.source.Status().ordered(), h.source.Ready())
	if err != nil {
		serveError(w, http.StatusInternalServerError, "the page cannot be made: "+err.Error())
		return
	}
	serveBytes(w, http.StatusOK, "text/html; charset=utf-8", body)
}

func serveError(w http.ResponseWriter, code int, text string) {
	serveJSON(w, code, map[string]string{"error": text})
}

func serveJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a lag that is no number, say: an error in the Source, not in the request
		serveError(w, http.StatusInternalServerError, "the answer cannot be encoded: "+err.Error())
		return
	}
	serveBytes(w, code, "application/json", append(body, '\n'))
}

// serveBytes ignores the error of writing: the reader is gone, and nobody else asks.
func serveBytes(w http.ResponseWriter, code int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body)
}
