package e2e

import (
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// badStart gives lighter configurations with which it cannot start. It must exit with 1 and one line that
// names the cause.
func (l *lab) badStart(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "token")
	must(t, os.WriteFile(secret, []byte("secret"), 0o600)) // belongs to root, and lighter runs as 65532
	busy := l.generate(t, "busy", generatorOptions{}, "-listen", ":12345", "-linger")
	busy.waitRunning(t)

	for name, tc := range map[string]struct {
		docker  []string
		says    []string // all must be in the output
		network string   // the lab's if empty
	}{
		"a variable that does not parse": {
			docker: []string{"--env", "LIGHTER_SCRAPE_INTERVAL=often"},
			says:   []string{"LIGHTER_SCRAPE_INTERVAL", "often"},
		},
		"a secret that cannot be read": {
			docker: []string{"--volume", secret + ":/run/secrets/token:ro", "--env", "GRAFANA_LOKI_TOKEN_FILE=/run/secrets/token"},
			says:   []string{"GRAFANA_LOKI_TOKEN_FILE", "/run/secrets/token"},
		},
		"a data directory that is not writable": {
			docker: []string{"--volume", dir + ":/data", "--env", "LIGHTER_DATA_DIR=/data"},
			says:   []string{"/data"},
		},
		"a port in use": {
			docker:  []string{"--env", "LIGHTER_LISTEN=0.0.0.0:12345"},
			says:    []string{"12345"},
			network: "container:" + busy.ID, // shares the ports of that container
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			defer l.engine.Do(context.WithoutCancel(ctx), "rm", "--force", "--volumes", "lighter-bad-start") // also if it could not start
			c, err := l.engine.Run(ctx, "lighter-bad-start", append(append([]string{
				"--network", cmp.Or(tc.network, network), "--user", "65532:65532", "--read-only", "--cap-drop", "ALL", "--group-add", l.group, "--volume", l.engine.Socket + ":/var/run/docker.sock:ro",
				"--env", "ENVIRONMENT=bad", "--env", "LIGHTER_INCLUDE=nothing", "--env", "GRAFANA_LOKI_URL=" + l.loki.URL}, tc.docker...), agentImage)...)
			must(t, err)
			code, err := c.Wait(ctx)
			if err != nil {
				t.Fatalf("it still runs: %v: %s", err, c.Output(t.Context(), 10))
			}
			out := strings.TrimSpace(c.Output(ctx, 100))
			if code != 1 || strings.Count(out, "\n") > 0 {
				t.Errorf("exit code %d, want 1; output, of which one line is wanted:\n%s", code, out)
			}
			for _, word := range tc.says {
				if !strings.Contains(out, word) {
					t.Errorf("the output does not name %s: %s", word, out)
				}
			}
		})
	}
}

// badTargets lets an agent scrape pages that are not metrics pages. Each target is down, and the one good
// target and the logs are not affected.
func (l *lab) badTargets(t *testing.T) {
	bad := map[string]http.HandlerFunc{
		"HTML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>")
		},
		"500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) },
		"100 MB": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_ = pages(w, 100<<20) // the client hangs up before the end
		},
		"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_ = pages(z, 500<<20)
			_ = z.Close()
		},
		"nothing": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
	var targets []string
	instances := make(map[string]string) // from instance to the kind of page that it serves
	for name, handler := range bad {
		listener, err := net.Listen("tcp", net.JoinHostPort(l.gateway, "0"))
		must(t, err)
		srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = srv.Serve(listener) }()
		t.Cleanup(func() { srv.Close() })
		instances[listener.Addr().String()] = name
		targets = append(targets, listener.Addr().String())
	}
	gone, err := net.Listen("tcp", net.JoinHostPort(l.gateway, "0"))
	must(t, err)
	must(t, gone.Close())
	instances[gone.Addr().String()] = "nobody there"
	targets = append(targets, gone.Addr().String())

	good := l.generate(t, "targets-good", generatorOptions{docker: []string{"--label", "lighter.scrape=true", "--label", "lighter.port=3000"}},
		"-rate", "50", "-listen", ":3000")
	a := l.agent(t, "bad-targets", agentOptions{include: "targets-*", env: []string{
		"LIGHTER_SCRAPE_INTERVAL=2s", "LIGHTER_SCRAPE_TIMEOUT=2s", "LIGHTER_SCRAPE_TARGETS=" + strings.Join(targets, ",")}})
	eventually(t, time.Minute, func(ctx context.Context) error {
		if err := a.alive(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := l.prom.Query(ctx, `up{environment="bad-targets",job!="lighter"} and count_over_time(up[1m]) >= 5`)
		if err != nil {
			return err
		}
		found := make(map[string]float64)
		for _, s := range got {
			what := instances[s.Labels["instance"]]
			if s.Labels["container"] == good.Name {
				what = "good"
			}
			found[what] = s.Value
		}
		for _, what := range instances {
			if up, ok := found[what]; !ok || up != 0 {
				return fmt.Errorf("up of the target that serves %s is not 0: %v", what, found)
			}
		}
		if found["good"] != 1 {
			return fmt.Errorf("the good target is not up: %v", found)
		}
		return nil
	})
	m, err := a.Memory(t.Context())
	must(t, err)
	t.Logf("memory at its peak: container %d MiB, process %d MiB", m.Container>>20, m.Process>>20)
	// One page of the largest size allowed (64 MiB) and half as much again; the kernel kills at 128 MiB.
	if m.Process > 96<<20 {
		t.Errorf("the process used %d MiB at its peak, too close to the limit of 128", m.Process>>20)
	}
	must(t, good.Stop(t.Context()))
	a.verify(t, 30*time.Second, good)
}

// pages writes about n bytes of metrics.
func pages(w io.Writer, n int) error {
	var b strings.Builder
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "endless_metric{number=\"%06d\"} 1\n", i)
	}
	for ; n > 0; n -= b.Len() {
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}
