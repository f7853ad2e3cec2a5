package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lighter/cmd/lighter/agent"
	"lighter/discovery/dockersim"
)

// shop is an Engine with one container of each kind that discover distinguishes.
func shop(t *testing.T) *dockersim.Engine {
	t.Helper()
	var age atomic.Int64 // of what happens on the Engine, nanoseconds
	e := dockersim.New(dockersim.Options{Name: "mini", Now: func() time.Time { return time.Now().Add(-time.Duration(age.Load())) }})
	if err := e.Listen("unix://" + filepath.Join(t.TempDir(), "docker.sock")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	create := func(name string, s dockersim.Spec) *dockersim.Container {
		s.Name, s.ID = name, strings.Repeat(fmt.Sprintf("%x", len(e.Containers())+1), 64)
		c := e.Create(s)
		c.Start()
		return c
	}
	create("shop-api-1", dockersim.Spec{
		Labels:   map[string]string{"com.docker.compose.service": "api", "lighter.scrape": "true", "lighter.port": "3000", "lighter.interval": "5s"},
		Networks: []dockersim.Endpoint{{Network: "shop", IP: "172.20.0.2"}},
		Ports:    []dockersim.Port{{Private: 3000}, {Private: 9229}},
	})
	create("db", dockersim.Spec{TTY: true})
	create("quiet", dockersim.Spec{Labels: map[string]string{"lighter.logs": "false", "lighter.scrape": "false"}})
	create("noisy", dockersim.Spec{})
	create("offline", dockersim.Spec{NetworkMode: "none", Labels: map[string]string{"prometheus.io/scrape": "true"}})
	create("unreadable", dockersim.Spec{Driver: "none"})
	create("done", dockersim.Spec{Labels: map[string]string{"lighter.scrape": "true"}}).Stop(0)
	age.Store(int64(72*time.Hour + time.Minute))
	create("old", dockersim.Spec{}).Stop(1)
	age.Store(0)
	return e
}

var shopEnviron = []string{
	"GRAFANA_LOKI_URL=http://loki:3100", "GRAFANA_PROM_URL=http://prom:9090/api/v1/write",
	"ENVIRONMENT=production", "LIGHTER_EXCLUDE=noi*", "LIGHTER_SCRAPE_TARGETS=cache:9121",
}

func TestDiscoverGolden(t *testing.T) {
	e := shop(t)
	for file, args := range map[string][]string{"discover.golden": {"discover"}, "discover.json.golden": {"discover", "--json"}} {
		code, stdout, stderr := command(t, append(shopEnviron, "DOCKER_HOST="+e.Host()), args...)
		if code != exitOK || stderr != "" {
			t.Errorf("%v = %d, stderr %q", args, code, stderr)
		}
		checkGolden(t, filepath.Join("testdata", file), stdout)
	}
	for _, r := range e.Requests() {
		if r.Method != "GET" && r.Method != "HEAD" {
			t.Errorf("discover asked %s %s", r.Method, r.Path)
		}
	}
}

func TestDiscoverWithoutBackends(t *testing.T) {
	e := shop(t)
	code, stdout, _ := command(t, []string{"DOCKER_HOST=" + e.Host(), "GRAFANA_LOKI_URL=http://loki:3100"}, "discover", "--json")
	var got agent.Preview
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitOK {
		t.Fatalf("exit %d, %v", code, err)
	}
	for _, c := range got.Containers {
		if c.MetricsSkipped != "the settings scrape nothing" || len(c.Targets) > 0 {
			t.Errorf("%s: metrics %q %v, want skipped for want of a backend", c.Name, c.MetricsSkipped, c.Targets)
		}
	}
}

func TestDiscoverWithoutDocker(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "none.sock")
	code, stdout, stderr := command(t, []string{"DOCKER_HOST=unix://" + socket}, "discover")
	if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "lighter: ") || !strings.Contains(stderr, socket) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("discover = %d %q %q, want one line that names the socket", code, stdout, stderr)
	}
	code, _, stderr = command(t, []string{"LIGHTER_MAX_LINE=big"}, "discover")
	if code != exitFailed || !strings.Contains(stderr, "LIGHTER_MAX_LINE") {
		t.Errorf("discover = %d %q, want the wrong variable named", code, stderr)
	}
}
