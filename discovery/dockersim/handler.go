package dockersim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/versions"
)

// route splits a path into its version, which may be missing, and the rest.
var route = regexp.MustCompile(`^(?:/v([0-9]+\.[0-9]+))?(/.*)$`)

// ServeHTTP implements http.Handler. It responds as the Engine's API does.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.handlers.Add(1)
	defer e.handlers.Done()
	e.requests = append(e.requests, Request{r.Method, r.URL.EscapedPath(), r.URL.RawQuery})
	intercept, newest, oldest := e.intercept, e.APIVersion, e.MinAPIVersion
	e.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}

	w.Header().Set("Api-Version", newest)
	w.Header().Set("Docker-Experimental", "false")
	w.Header().Set("Ostype", "linux")
	w.Header().Set("Server", "Docker/"+e.Version+" (linux)")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fail(w, http.StatusMethodNotAllowed, "the simulated Engine can only be read")
		return
	}
	parts := route.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		fail(w, http.StatusNotFound, "page not found")
		return
	}
	version, path := parts[1], parts[2]
	switch {
	case version == "":
		version = newest
	case versions.GreaterThan(version, newest):
		fail(w, http.StatusBadRequest, fmt.Sprintf("client version %s is too new. Maximum supported API version is %s", version, newest))
		return
	case versions.LessThan(version, oldest):
		fail(w, http.StatusBadRequest, fmt.Sprintf("client version %s is too old. Minimum supported API version is %s, please upgrade your client to a newer version", version, oldest))
		return
	}
	e.serve(w, r, version, path)
}

func (e *Engine) serve(w http.ResponseWriter, r *http.Request, version, path string) {
	switch path {
	case "/_ping":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK"))
		return
	case "/version":
		e.mu.Lock()
		newest, oldest := e.APIVersion, e.MinAPIVersion
		e.mu.Unlock()
		reply(w, map[string]any{"Version": e.Version, "ApiVersion": newest, "MinAPIVersion": oldest, "Os": "linux", "Arch": "amd64"})
		return
	case "/info":
		reply(w, map[string]any{"ID": "SIMU", "Name": e.Name, "ServerVersion": e.Version, "OSType": "linux", "LoggingDriver": "json-file", "Driver": "overlay2", "NCPU": 4, "MemTotal": int64(8 << 30)})
		return
	case "/events":
		e.serveEvents(w, r)
		return
	case "/networks":
		e.serveNetworks(w)
		return
	case "/containers/json":
		e.serveList(w, r)
		return
	}
	id, what, ok := strings.Cut(strings.TrimPrefix(path, "/containers/"), "/")
	if !ok || !strings.HasPrefix(path, "/containers/") || what != "json" && what != "logs" && what != "stats" {
		fail(w, http.StatusNotFound, "page not found")
		return
	}
	c := e.find(id)
	if c == nil {
		fail(w, http.StatusNotFound, "No such container: "+id)
		return
	}
	switch what {
	case "json":
		e.serveInspect(w, c)
	case "logs":
		e.serveLogs(w, r, c, version)
	case "stats":
		e.serveStats(w, r, c)
	}
}

// find returns the container with the given ID, beginning of an ID, or name, or nil if there is none.
func (e *Engine) find(id string) *Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		if id != "" && (strings.HasPrefix(c.id, id) || c.spec.Name == strings.TrimPrefix(id, "/")) {
			return c
		}
	}
	return nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error means that the client is gone
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func parseDigits(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("invalid value %q: %w", s, err)
	}
	return n, nil
}
