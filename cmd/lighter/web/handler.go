package web

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lighter"
	"lighter/config"
)

// handler serves the paths of the agent's API. They are few and have no variable parts, so a map is
// enough of a router.
type handler struct {
	source Source
	page   *page
	hosts  hosts
	paths  map[string]http.Handler
	access atomic.Pointer[Access]
	prefix string // without a trailing slash
	reload func() error
}

func newHandler(o Options) *handler {
	prefix := strings.Trim(o.Prefix, "/")
	if prefix != "" {
		prefix = "/" + prefix
	}
	h := &handler{source: o.Source, page: newPage(), hosts: newHosts(o.Names), prefix: prefix, reload: o.Reload}
	h.access.Store(o.Access)
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
		reloadPath:       http.NotFoundHandler(), // never called, because ServeHTTP calls serveReload
		"/api/v1/status": http.HandlerFunc(h.serveStatus),
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", h.page.policy)
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")

	if h.prefix != "" && r.URL.Path == h.prefix {
		http.Redirect(w, r, h.prefix+"/", http.StatusMovedPermanently) // the links of the page are relative
		return
	}
	asked := r
	if below, ok := strings.CutPrefix(r.URL.Path, h.prefix); ok && h.prefix != "" && below[0] == '/' {
		r = r.Clone(r.Context())
		r.URL.Path = below
	}
	next, ok := h.paths[r.URL.Path]
	switch {
	case !h.hosts.accepts(r.Host):
		serveError(w, http.StatusForbidden, fmt.Sprintf("%q is not a name of this server. Use its address, or give it that name: %s=name:port, %s, or the host name of its container", r.Host, lighter.SettingListen, lighter.SettingHost))
	case !h.access.Load().allows(asked, r.URL.Path, h.prefix):
		header.Set("WWW-Authenticate", `Basic realm="lighter", charset="UTF-8"`)
		serveError(w, http.StatusUnauthorized, "the user and the password of the agent's server are required")
	case !ok:
		serveError(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	case r.URL.Path == reloadPath:
		h.serveReload(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		serveError(w, http.StatusMethodNotAllowed, r.URL.Path+" accepts GET and HEAD, not "+r.Method)
	default:
		next.ServeHTTP(w, r)
	}
}

// state is the body of /health and /ready.
type state struct {
	Status string            `json:"status"` // "ok" or "degraded"
	Checks map[string]string `json:"checks,omitempty"`
}

// serveHealth reports that the process serves requests. It does not report whether the agent works.
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

const reloadPath = "/-/reload"

// serveReload reads the configuration again. That changes state, so it refuses requests of a page of
// another origin. A browser sends the origin with such a request; other clients need not send one.
func (h *handler) serveReload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		w.Header().Set("Allow", "POST, PUT")
		serveError(w, http.StatusMethodNotAllowed, r.URL.Path+" accepts POST and PUT, not "+r.Method)
		return
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" || !sameOrigin(r) {
		serveError(w, http.StatusForbidden, "a page of another origin may not reload the configuration")
		return
	}
	if h.reload == nil {
		serveError(w, http.StatusNotFound, "there is no configuration to reload")
		return
	}
	if err := h.reload(); err != nil {
		serveError(w, http.StatusBadRequest, "the configuration was not reloaded, and the previous one stays in use: "+err.Error())
		return
	}
	serveJSON(w, http.StatusOK, state{Status: "ok"})
}

// sameOrigin reports whether a request comes from a page of this server or from something other than a
// page.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

func (h *handler) serveStatus(w http.ResponseWriter, _ *http.Request) {
	serveJSON(w, http.StatusOK, h.source.Status().ordered())
}

func (h *handler) servePage(w http.ResponseWriter, _ *http.Request) {
	body, err := h.page.render(h.source.Status().ordered(), h.source.Ready())
	if err != nil {
		serveError(w, http.StatusInternalServerError, "the page cannot be rendered: "+err.Error())
		return
	}
	serveBytes(w, http.StatusOK, "text/html; charset=utf-8", body)
}

func serveError(w http.ResponseWriter, code int, text string) {
	serveJSON(w, code, map[string]string{"error": config.NameSettings(text)})
}

func serveJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a mistake of the Source, such as a lag that is NaN
		serveError(w, http.StatusInternalServerError, "the response cannot be encoded: "+err.Error())
		return
	}
	serveBytes(w, code, "application/json", append(body, '\n'))
}

// serveBytes sends a response. It ignores the error of writing, which means that the client is gone.
func serveBytes(w http.ResponseWriter, code int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body)
}
