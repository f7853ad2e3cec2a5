package http_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"lighter"
	discovery "lighter/discovery/http"
)

type answer struct {
	status int
	kind   string
	text   string
}

func TestRun(t *testing.T) {
	var now atomic.Pointer[answer]
	var header atomic.Pointer[http.Header]
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		header.Store(&h)
		a := now.Load()
		defer requests.Add(1)
		w.Header().Set("Content-Type", a.kind)
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.text))
	}))
	defer server.Close()
	now.Store(&answer{500, "text/plain", "no"})
	cfg := discovery.DefaultConfig()
	cfg.URL = strings.Replace(server.URL, "://", "://user:secret@", 1) + "/targets?a=b"
	cfg.RefreshInterval = 10 * time.Millisecond
	var log bytes.Buffer
	d, err := discovery.New(cfg, "lighter/test", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	updates := make(chan []string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- d.Run(ctx, func(targets []lighter.Target) {
			var got []string
			for _, target := range targets {
				got = append(got, target.Labels.String())
			}
			updates <- got
		})
	}()
	wait := func(want ...string) {
		t.Helper()
		if got := <-updates; !slices.Equal(got, want) {
			t.Fatalf("targets %q, want %q", got, want)
		}
	}
	asked := func(a answer) { // until it was answered so and the answer was read
		now.Store(&a)
		for before := requests.Load(); requests.Load() < before+3; {
			time.Sleep(time.Millisecond)
		}
	}
	shown := server.URL + "/targets?a=b"
	asked(*now.Load())
	asked(answer{200, "application/json; charset=utf-8", `[{"targets":["a:1"],"labels":{"job":"x","__meta_url":"no"}}]`})
	wait(fmt.Sprintf(`{__address__="a:1", __meta_url=%q, job="x"}`, shown))
	for _, bad := range []answer{
		{404, "application/json", "[]"}, {200, "text/html", "[]"}, {200, "application/json", "{}"}, {200, "application/json", "[null]"}, {204, "application/json", ""},
	} {
		asked(bad)
	}
	asked(answer{200, "application/json", `[]`})
	wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	h := *header.Load()
	if h.Get("User-Agent") != "lighter/test" || h.Get("X-Prometheus-Refresh-Interval-Seconds") != "0.01" || h.Get("Accept") != "application/json" {
		t.Errorf("the request has %v", h)
	}
	if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "cannot be asked") != 6 || strings.Count(text, "again") != 2 {
		t.Errorf("log:\n%s", text)
	}
}

// A server that does not answer is logged once, however often it is asked, and without the secret parts of the
// URL.
func TestServerDoesNotAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) == 3 {
			cancel()
		}
		panic(http.ErrAbortHandler) // ends the connection
	}))
	defer server.Close()
	cfg := discovery.DefaultConfig()
	cfg.URL = strings.Replace(server.URL, "://", "://user:secret@", 1) + "/?token=secret"
	cfg.RefreshInterval = 10 * time.Millisecond
	var log bytes.Buffer
	d, err := discovery.New(cfg, "lighter/test", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(ctx, func([]lighter.Target) { t.Error("there are targets") }); err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "\n") != 1 {
		t.Errorf("log:\n%s", text)
	}
}

func TestValidate(t *testing.T) {
	for _, url := range []string{"", "ftp://a", "a.b/c", "ftp://a/?token=secret", "http://", "http://user:secret@%/"} {
		cfg := discovery.DefaultConfig()
		cfg.URL = url
		if err := cfg.Validate(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	cfg := discovery.Config{URL: "http://a/b", HTTP: promconfig.HTTPClientConfig{BearerToken: "a", BearerTokenFile: "b"}}
	if _, err := discovery.New(cfg, "", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error for two ways to authenticate")
	}
}
