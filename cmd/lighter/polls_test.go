package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"lighter/config"
	"lighter/config/alloy"
)

// TestWatchPolls changes the response of a server from which a plan was made.
func TestWatchPolls(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, asked.Add(1))
	}))
	defer server.Close()
	text := fmt.Sprintf("remote.http \"x\" {\n\turl = %q\n\tpoll_frequency = \"1s\"\n\tpoll_timeout = \"900ms\"\n}\n", server.URL)
	f, err := alloy.Load("-", alloy.Options{
		ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
		Agent:    config.Agent{Listen: "127.0.0.1:0", DataDir: t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changed := false
	watchPolls(ctx, func() []*alloy.Poll { return f.Polls }, slog.New(slog.DiscardHandler), func() {
		changed = true
		cancel()
	})
	if !changed || asked.Load() < 2 {
		t.Errorf("changed = %v after %d requests", changed, asked.Load())
	}
}
