package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHealthcheck(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		code   int
		says   string
	}{
		"well":         {200, `{"status":"ok","checks":{"docker":"ok"}}`, exitOK, "ok\n"},
		"degraded":     {503, `{"status":"degraded","checks":{"metrics":"fail: 401","docker":"fail: no socket","logs":"ok"}}`, exitFailed, "lighter: the agent is not ready: docker: no socket; metrics: 401\n"},
		"not ours":     {404, "<html>", exitFailed, "lighter: the agent is not ready: it answered 404 Not Found\n"},
		"503, no why":  {503, `{}`, exitFailed, "lighter: the agent is not ready: it answered 503 Service Unavailable\n"},
		"many lines":   {503, `{"checks":{"docker":"fail: a\nb"}}`, exitFailed, "lighter: the agent is not ready: docker: a; b\n"},
		"a long story": {503, strings.Repeat("x", 1<<20), exitFailed, "lighter: the agent is not ready: it answered 503 Service Unavailable\n"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/ready" {
					t.Errorf("it asks for %s, want /ready", r.URL.Path)
				}
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer server.Close()
			code, stdout, stderr := command(t, []string{"LIGHTER_LISTEN=" + server.Listener.Addr().String(), "LIGHTER_DATA_DIR=" + t.TempDir(), "LIGHTER_NONSENSE=1", "LIGHTER_LOGS_SINCE=never"}, "healthcheck")
			if code != tc.code || stdout+stderr != tc.says {
				t.Errorf("healthcheck = %d %q %q, want %d %q", code, stdout, stderr, tc.code, tc.says)
			}
		})
	}
}

func TestHealthcheckOfNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	code, stdout, stderr := command(t, []string{"LIGHTER_LISTEN=" + addr}, "healthcheck")
	if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "lighter: the agent does not answer: ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("healthcheck = %d %q %q", code, stdout, stderr)
	}
	code, _, stderr = command(t, []string{"LIGHTER_LISTEN=nonsense"}, "healthcheck")
	if code != exitFailed || !strings.Contains(stderr, "LIGHTER_LISTEN") {
		t.Errorf("healthcheck = %d %q, want the setting named", code, stderr)
	}
}

// If flags set the address and the data directory of an agent, a health check finds it by the argument. If a flag
// sets only the address, it finds the agent by the data directory.
func TestHealthcheckFindsTheAgent(t *testing.T) {
	dir, stored := t.TempDir(), t.TempDir()
	environ := []string{"DOCKER_HOST=unix://" + filepath.Join(dir, "none.sock"), "GRAFANA_LOKI_URL=http://127.0.0.1:1", "LIGHTER_DATA_DIR=" + dir}
	line, stop := startAgent(t, environ, "run", "--server.http.listen-addr=127.0.0.1:0", "--storage.path="+stored)
	for name, check := range map[string]func() (int, string, string){
		"by the environment's data directory": func() (int, string, string) {
			return command(t, []string{"LIGHTER_DATA_DIR=" + dir, "LIGHTER_LISTEN=127.0.0.1:1"}, "healthcheck")
		},
		"by its own data directory": func() (int, string, string) {
			return command(t, []string{"LIGHTER_DATA_DIR=" + stored, "LIGHTER_LISTEN=127.0.0.1:1"}, "healthcheck")
		},
		"by its address": func() (int, string, string) {
			return command(t, []string{"LIGHTER_DATA_DIR=" + t.TempDir()}, "healthcheck", "127.0.0.1:"+itoa(line.Port))
		},
	} {
		if code, _, stderr := check(); code != exitFailed || !strings.Contains(stderr, "the agent is not ready: docker: ") {
			t.Errorf("%s: healthcheck = %d %q, want the agent's own words that it has no Engine", name, code, stderr)
		}
	}
	stop()
	for _, dir := range []string{dir, stored} {
		if _, err := os.Stat(filepath.Join(dir, "address")); err == nil {
			t.Error("the address is still there after a clean stop")
		}
	}
	if code, _, _ := command(t, environ, "healthcheck", "a", "b"); code != exitUsage {
		t.Errorf("with two addresses: exit %d, want %d", code, exitUsage)
	}
}

func TestReadyURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:12345": "http://127.0.0.1:12345/ready",
		"0.0.0.0:80":      "http://127.0.0.1:80/ready",
		":80":             "http://127.0.0.1:80/ready",
		"[::]:80":         "http://[::1]:80/ready",
		"[::1]:80":        "http://[::1]:80/ready",
		"localhost:80":    "http://localhost:80/ready",
		"10.0.0.7:1":      "http://10.0.0.7:1/ready",
	} {
		if got, err := readyURL(addr); got != want || err != nil {
			t.Errorf("readyURL(%q) = %q, %v, want %q", addr, got, err, want)
		}
	}
}
