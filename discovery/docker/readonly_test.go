package docker_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"lighter/discovery/docker"
)

// wire is the transport behind the guard. It remembers what the guard let through.
type wire struct{ sent []string }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.sent = append(w.sent, r.Method+" "+r.URL.RequestURI())
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

func TestOnlyReadingIsLetThrough(t *testing.T) {
	const id = "8bee23b29a83fd5b8bee23b29a83fd5b8bee23b29a83fd5b8bee23b29a83fd5b"
	through := []string{
		"/_ping", "/version", "/info", "/events?since=1.000000002&filters=%7B%7D", "/networks", "/containers/json?all=1",
		"/containers/" + id + "/json", "/containers/" + id + "/logs?follow=1", "/containers/my_app-1.x/json",
		"/containers/" + id + "/stats?one-shot=1&stream=0", "/v1.41/containers/" + id + "/stats?one-shot=1&stream=0",
		"/v1.24/_ping", "/v1.51/containers/json", "/v1.51/containers/" + id + "/logs",
	}
	refused := []string{
		"", "/", "/containers", "/containers/", "/containers/json/", "//containers/json", "/containers//json", "/./info", "/v1.51/../info",
		"/containers/../json", "/containers/./json", "/containers/..%2fimages/json", "/containers/%2e%2e/json", "/containers/x%2Fjson", "/containers/x%2fy/json",
		"/containers/x/../y/json", "/containers/x/json/..", "/containers/x%00/json", "/containers/x%20/json", "/containers/x%3f/json", "/containers/%78/json",
		"/containers/" + id + "/attach", "/containers/" + id + "/export", "/containers/" + id + "/archive?path=/etc", "/containers/" + id + "/top", "/containers/" + id + "/stats",
		"/containers/" + id + "/stats?stream=0", "/containers/" + id + "/stats?stream=1", "/containers/" + id + "/stats?one-shot=1&stream=1", "/containers/" + id + "/stats?one-shot=1&stream=0&stream=1",
		"/containers/" + id + "/stats/?one-shot=1&stream=0", "/containers/stats?one-shot=1&stream=0", "/system/df?type=container", "/containers/..%2fx/stats?one-shot=1&stream=0",
		"/containers/" + id + "/attach/ws", "/containers/" + id + "/logs/x", "/containers/" + id + "/start", "/containers/create", "/containers/" + id,
		"/images/json", "/images/x/get", "/volumes", "/networks/x", "/secrets", "/configs", "/exec/x/json", "/plugins", "/system/df", "/build", "/session", "/grpc", "/swarm/unlockkey",
		"/v1/info", "/v1.51/v1.51/info", "/v1.51info", "/vx.y/info", "/V1.51/info", "/INFO", "/info\n", "/info;x", "/infox", "/xinfo", "/info/",
	}
	send := func(method, target string) error {
		w := &wire{}
		u, err := url.Parse("http://api.moby.localhost" + target)
		if err != nil {
			u = &url.URL{Scheme: "http", Host: "api.moby.localhost", Path: target}
		}
		r := &http.Request{Method: method, URL: u, Header: http.Header{}}
		resp, err := docker.ReadOnly("", w).RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != (len(w.sent) == 1) {
			t.Errorf("%s %s: error %v, but sent %v", method, target, err, w.sent)
		}
		return err
	}
	for _, target := range through {
		for _, method := range []string{"GET", "HEAD"} {
			if err := send(method, target); err != nil {
				t.Errorf("%s %s: %v", method, target, err)
			}
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "get", "", "GET "} {
			if send(method, target) == nil {
				t.Errorf("%s %s was let through", method, target)
			}
		}
	}
	for _, target := range refused {
		if send("GET", target) == nil {
			t.Errorf("GET %s was let through", target)
		}
	}
}

func TestRequestsThatOnlyLookLikeReading(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"a body":            func(r *http.Request) { r.Body = readCloser{strings.NewReader("x")} },
		"a length":          func(r *http.Request) { r.ContentLength = 1 },
		"a chunked body":    func(r *http.Request) { r.ContentLength = -1 },
		"an upgrade":        func(r *http.Request) { r.Header.Set("Upgrade", "tcp") },
		"an opaque URL":     func(r *http.Request) { r.URL.Opaque = "//x/containers/create" },
		"a raw path":        func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/containers/a/json", "/containers/%61/json" },
		"outside of a base": func(r *http.Request) { r.URL.Path = "/info" },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/docker/info", nil)
			if resp, err := docker.ReadOnly("/docker", &wire{}).RoundTrip(r); err != nil {
				t.Fatalf("before the change: %v", err)
			} else {
				_ = resp.Body.Close()
			}
			change(r)
			w := &wire{}
			if resp, err := docker.ReadOnly("/docker", w).RoundTrip(r); err == nil || len(w.sent) > 0 {
				_ = resp.Body.Close()
				t.Errorf("sent %v", w.sent)
			}
		})
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// FuzzReadOnly checks that a request that the guard passes on is for one of the few allowed paths, even if
// the server decodes and cleans paths.
func FuzzReadOnly(f *testing.F) {
	for _, s := range []string{"/info", "/v1.41/containers/json?all=1", "/containers/../x/json", "/containers/%2e%2e/json", "/containers/a%2fb/logs", "/x?a=b#c"} {
		f.Add("GET", s)
	}
	fine := regexp.MustCompile(`^(/v[0-9.]+)?/(_ping|version|info|events|networks|containers/json|containers/[^/]+/(json|logs|stats))$`)
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.Parse("http://x" + target)
		if err != nil {
			return
		}
		w := &wire{}
		resp, err := docker.ReadOnly("", w).RoundTrip(&http.Request{Method: method, URL: u, Header: http.Header{}})
		if err != nil {
			return
		}
		_ = resp.Body.Close()
		if method != "GET" && method != "HEAD" {
			t.Errorf("let %q through", method)
		}
		raw, _, _ := strings.Cut(u.RequestURI(), "?")
		decoded, err := url.PathUnescape(raw)
		if err != nil {
			t.Fatalf("let %q through: %v", raw, err)
		}
		if raw != decoded || path.Clean(decoded) != decoded || !fine.MatchString(decoded) {
			t.Errorf("let %q through", raw)
		}
	})
}

// Requests to the Engine never use the proxy of HTTP_PROXY, whatever kind of address it has.
func TestTheEngineIsNeverAskedThroughAProxy(t *testing.T) {
	for _, host := range []string{"unix:///var/run/docker.sock", "tcp://engine.example:2375", "http://engine.example/docker", "https://engine.example"} {
		cfg := docker.DefaultConfig()
		cfg.Host = host
		c, err := docker.NewClient(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if c.MayUseProxy() {
			t.Errorf("the Engine at %s may be asked through a proxy", host)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsOfTheWireAreKept(t *testing.T) {
	broken := errors.New("broken wire")
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/info", nil)
	resp, err := docker.ReadOnly("", failing{broken}).RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, broken) {
		t.Errorf("err = %v, want one that wraps %v", err, broken)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }
