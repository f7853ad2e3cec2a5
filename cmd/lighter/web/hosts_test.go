package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/cmd/lighter/web"
)

// ask sends a request with the given Host header and returns the status and the error in the body.
func ask(t *testing.T, port int, path, host string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Error string }
	_ = json.NewDecoder(resp.Body).Decode(&body)
	return resp.StatusCode, body.Error
}

// With DNS rebinding, the page of another site sends requests to this server. It gets no response,
// because the browser sends the name of the other site in Host.
func TestHost(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const loopback, localhost, all = "127.0.0.1:0", "localhost:0", "0.0.0.0:0"
	everywhere := []string{loopback, localhost, all}
	for _, tc := range []struct {
		host   string
		listen []string // the listen addresses at which it is accepted; it is refused at the others
	}{
		{"localhost", everywhere},
		{"localhost:12345", everywhere},
		{"LocalHost:1", everywhere},
		{"localhost.", everywhere},
		{"lighter.localhost", everywhere},
		{"127.0.0.1", everywhere},
		{"127.0.0.1:12345", everywhere},
		{"127.0.0.2", everywhere},
		{"172.17.0.2:12345", everywhere},
		{"[::1]", everywhere},
		{"[::1]:12345", everywhere},
		{"[fe80::1%25eth0]:12345", everywhere},
		{own, everywhere},
		{strings.ToUpper(own) + ":12345", everywhere},
		{"edge.corp.example:12345", everywhere}, // Options.Names has this name
		{"", everywhere},                        // old health checks send no Host header, and every browser does
		{"evil.example", nil},
		{"evil.example:12345", nil},
		{"edge.corp.example.evil.example", nil},
		{"corp.example", nil},
		{"localhost.evil.example", nil},
		{"notlocalhost.", []string{all}},
		{"127.0.0.1.evil.example", nil},
		{"2130706433.evil.example", nil},
		{"evil.example.", nil},
		{".", nil},
		{"lighter:12345", []string{all}}, // the name of a service in a network of containers
		{"lighter", []string{all}},
	} {
		for _, listen := range everywhere {
			t.Run(listen+" "+tc.host, func(t *testing.T) {
				s := runServer(t, listen, "edge.corp.example")
				served := false
				for _, l := range tc.listen {
					served = served || l == listen
				}
				for _, path := range []string{"/", "/health", "/ready", "/metrics", "/api/v1/status", "/nothing"} {
					status, text := ask(t, s.Port(), path, tc.host)
					if refused := status == http.StatusForbidden; refused == served {
						t.Errorf("%s with Host %q = %d %q, want it served: %t", path, tc.host, status, text, served)
					}
					if !served && !strings.Contains(text, "LIGHTER_LISTEN") {
						t.Errorf("the refusal says %q and not what to do", text)
					}
				}
			})
		}
	}
}

// runServer is like serve, but listens on the given address.
func runServer(t *testing.T, listen string, names ...string) *web.Server {
	t.Helper()
	s := web.New(web.Options{Source: fixed{working(), well}, Metrics: prometheus.NewRegistry(), Names: names, Logger: slog.New(slog.DiscardHandler)})
	if err := s.Listen(listen); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}
