package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"lighter"
	"lighter/cmd/lighter/web"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a Source that always returns the same.
type fixed struct {
	status web.Status
	checks []web.Check
}

func (f fixed) Status() web.Status { return f.status }
func (f fixed) Ready() []web.Check { return f.checks }

var (
	well = []web.Check{{Name: "metrics"}, {Name: "docker"}, {Name: "logs"}}
	ill  = []web.Check{{Name: "docker", Fail: "cannot connect to unix:///var/run/docker.sock: connection refused"}, {Name: "logs"}, {Name: "metrics"}}
	now  = time.Date(2026, 4, 25, 3, 1, 30, 123_000_000, time.UTC)
)

func working() web.Status {
	return web.Status{
		Time: now, Version: "v0.1.0", Commit: "0a1b2c3", Started: now.Add(-3 * time.Hour),
		Environment: "production", Host: "mini",
		Docker: web.Docker{Host: "unix:///var/run/docker.sock", Reachable: true, Since: now.Add(-90 * time.Minute), APIVersion: "1.51", EngineVersion: "28.5.2"},
		Containers: []web.Container{
			{ID: strings.Repeat("b", 64), Name: "app-worker-1", Service: "worker", Labels: map[string]string{"service": "worker", "container": "app-worker-1"},
				Source: "socket", State: "following", Read: 12, Error: "open logs: the Engine answered 500"},
			{ID: strings.Repeat("a", 64), Name: "app-api-1", Service: "api", Labels: map[string]string{"service": "api", "container": "app-api-1", "host": "mini"},
				Source: "socket", State: "following", Read: 1234567, Delivered: 1234500, Position: now.Add(-2 * time.Second), Lag: 0.5},
			{ID: strings.Repeat("c", 64), Name: "app-job-1", Service: "job", Labels: map[string]string{"service": "job"}, Source: "socket", State: "old",
				Reason: "it ended 3 days ago, and LIGHTER_LOGS_SINCE is 1d"},
		},
		Skipped: []web.Skipped{
			{ID: strings.Repeat("e", 64), Name: "noisy", Reason: `its service is "<noisy>" and its container is "noisy", and LIGHTER_EXCLUDE=noi* leaves it out`},
			{ID: strings.Repeat("d", 64), Name: "lighter", Reason: "it is lighter's own container, whose log is not shipped"},
		},
		Targets: []web.Target{
			{URL: "http://10.0.0.2:3000/metrics", Job: "api", Labels: map[string]string{"instance": "10.0.0.2:3000"}, Health: "up", LastTime: now.Add(-7 * time.Second), Duration: 0.0123, Samples: 1200},
			{URL: "http://10.0.0.3:9100/metrics", Job: "<script>alert(1)</script>", Labels: map[string]string{}, Health: "down", LastError: `the answer is HTML: "<html>"`},
		},
		Endpoints: []web.Endpoint{
			{Name: "prom", Kind: "remote_write", URL: "https://prom.example/api/v1/write", Since: now.Add(-time.Minute), Waiting: 2000, WaitingBytes: 1 << 20,
				NotReady: "prom refuses the data: status 401: no credentials (check the user and the token)", LastError: "status 401: no credentials (check the user and the token)"},
			{Name: "new", Kind: "loki", URL: "https://new.example/loki/api/v1/push", Up: true, Waiting: 3, WaitingBytes: 200},
			{Name: "loki", Kind: "loki", URL: "https://logs.example/loki/api/v1/push", Up: true, Delivered: 1234500, Dropped: map[string]int64{"too_old": 3, "line_too_long": 1},
				HeldStreams: 12, Held: []web.HeldStream{
					{Labels: `{container="app-noisy-1", service="noisy"}`, Waiting: 4000, WaitingBytes: 300 << 10, Since: now.Add(-5 * time.Minute), NextAttempt: now.Add(12 * time.Second),
						Reason: "Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '<b>'"},
					{Labels: `{service="other"}`, Tenant: "team-b", Waiting: 1, WaitingBytes: 90, Since: now.Add(-2 * time.Second), Reason: "Maximum active stream limit exceeded"},
				}},
		},
	}
}

func local() web.Status {
	return web.Status{
		Time: now, Version: "devel", Started: now, LocalMode: true,
		Docker:  web.Docker{Host: "unix:///var/run/docker.sock", Error: "no such file"},
		Lines:   []web.Line{{Time: now, Labels: map[string]string{"service": "api", "stream": "stderr"}, Text: `<img src=x onerror=alert(1)> & "quotes"`}},
		Samples: []web.Sample{{Time: now, Series: `up{job="api"}`, Value: "NaN"}},
	}
}

// serve runs a server on a free port for the length of the test and returns its URL.
func serve(t *testing.T, source web.Source, reg prometheus.Gatherer) string {
	t.Helper()
	s := web.New(web.Options{Source: source, Metrics: reg, Logger: slog.New(slog.DiscardHandler)})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil after its context ended", err)
		}
	})
	return s.URL()
}

func request(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestEndpointsGolden(t *testing.T) {
	reg := prometheus.NewRegistry()
	lines := prometheus.NewCounter(prometheus.CounterOpts{Name: "lighter_log_lines_read_total", Help: "Lines read."})
	lines.Add(42)
	reg.MustRegister(lines)
	healthy := serve(t, fixed{working(), well}, reg)
	degraded := serve(t, fixed{local(), ill}, reg)

	const jsonType = "application/json"
	for name, tc := range map[string]struct {
		method, url string
		code        int
		contentType string
	}{
		"health":             {"GET", healthy + "/health", 200, jsonType},
		"healthy":            {"GET", degraded + "/-/healthy", 200, jsonType},
		"ready":              {"GET", healthy + "/ready", 200, jsonType},
		"ready_alloy":        {"GET", healthy + "/-/ready", 200, jsonType},
		"ready_degraded":     {"GET", degraded + "/ready", 503, jsonType},
		"metrics":            {"GET", healthy + "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
		"status":             {"GET", healthy + "/api/v1/status", 200, jsonType},
		"status_local":       {"GET", degraded + "/api/v1/status?pretty", 200, jsonType},
		"page":               {"GET", healthy + "/", 200, "text/html; charset=utf-8"},
		"page_local":         {"GET", degraded + "/", 200, "text/html; charset=utf-8"},
		"not_found":          {"GET", healthy + "/favicon.ico", 404, jsonType},
		"not_found_slash":    {"GET", healthy + "/ready/", 404, jsonType},
		"not_found_reload":   {"POST", healthy + "/-/reload", 404, jsonType},
		"method_not_allowed": {"POST", healthy + "/ready", 405, jsonType},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := request(t, tc.method, tc.url)
			if resp.StatusCode != tc.code || resp.Header.Get("Content-Type") != tc.contentType {
				t.Errorf("%s %s = %d %q, want %d %q", tc.method, tc.url, resp.StatusCode, resp.Header.Get("Content-Type"), tc.code, tc.contentType)
			}
			checkGolden(t, filepath.Join("testdata", name+".golden"), body)
		})
	}
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestHead(t *testing.T) {
	url := serve(t, fixed{working(), well}, prometheus.NewRegistry())
	for _, path := range []string{"/", "/health", "/ready", "/api/v1/status"} {
		get, body := request(t, "GET", url+path)
		head, nothing := request(t, "HEAD", url+path)
		if nothing != "" || head.StatusCode != 200 || head.ContentLength != int64(len(body)) {
			t.Errorf("HEAD %s = %d, length %d, body %q; want 200, length %d, none", path, head.StatusCode, head.ContentLength, nothing, len(body))
		}
		for _, name := range []string{"Content-Type", "Cache-Control", "Content-Security-Policy"} {
			if g, h := get.Header.Get(name), head.Header.Get(name); g != h || h == "" {
				t.Errorf("%s of HEAD %s = %q, of GET %q", name, path, h, g)
			}
		}
	}
}

func TestRefusedMethodNamesTheAllowed(t *testing.T) {
	url := serve(t, fixed{}, prometheus.NewRegistry())
	resp, _ := request(t, "DELETE", url+"/api/v1/status")
	if got := resp.Header.Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow = %q, want GET, HEAD", got)
	}
}

// A foreign page must read nothing, frame nothing and inject nothing.
func TestSecurityHeaders(t *testing.T) {
	url := serve(t, fixed{working(), well}, prometheus.NewRegistry())
	for _, path := range []string{"/", "/api/v1/status", "/none"} {
		resp, body := request(t, "GET", url+path)
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Access-Control-Allow-Origin":  "",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s of %s = %q, want %q", name, path, got, want)
			}
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("Content-Security-Policy of %s = %q", path, policy)
		}
		if _, css, ok := strings.Cut(body, "<style>"); ok {
			css, _, _ = strings.Cut(css, "</style>")
			sum := sha256.Sum256([]byte(css))
			if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(policy, hash) {
				t.Errorf("the policy %q does not allow the page's own style, whose hash is %s", policy, hash)
			}
		}
	}
}

// A status that cannot be encoded must not become half a response with a 200.
func TestStatusThatDoesNotEncode(t *testing.T) {
	broken := working()
	broken.Containers[0].Lag = nan()
	url := serve(t, fixed{broken, well}, prometheus.NewRegistry())
	resp, body := request(t, "GET", url+"/api/v1/status")
	var response struct{ Error string }
	if err := json.Unmarshal([]byte(body), &response); err != nil || resp.StatusCode != 500 || response.Error == "" {
		t.Errorf("status = %d %q (%v), want 500 and an error", resp.StatusCode, body, err)
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

func TestStatusListsAreNeverNull(t *testing.T) {
	url := serve(t, fixed{}, prometheus.NewRegistry())
	_, body := request(t, "GET", url+"/api/v1/status")
	if strings.Contains(body, "null") {
		t.Errorf("status = %s, want empty arrays and no null", body)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, addr := range []string{taken.Addr().String(), "127.0.0.1:notaport", "nohost.invalid:1"} {
		s := web.New(web.Options{Source: fixed{}, Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)})
		err := s.Listen(addr)
		if err == nil {
			t.Fatalf("Listen(%q) = nil, want an error", addr)
		}
		if !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), lighter.SettingListen) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Listen(%q) = %q, want one line with the address and the setting", addr, err)
		}
	}
}

// URL must return an address that can be reached, even if the server listens on the wildcard address.
func TestURL(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0", ":0"} {
		s := web.New(web.Options{Source: fixed{}, Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)})
		if err := s.Listen(addr); err != nil {
			t.Fatal(err)
		}
		if got := s.URL(); !strings.HasPrefix(got, "http://127.0.0.1:") || s.Port() == 0 {
			t.Errorf("URL of %s = %s, port %d", addr, got, s.Port())
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Run(ended); err != nil {
			t.Error(err)
		}
	}
}

// stuck is a Source whose Status does not return, like a request whose client reads slowly.
type stuck struct {
	fixed
	asked, release chan struct{}
}

func (s stuck) Status() web.Status {
	close(s.asked)
	<-s.release
	return web.Status{}
}

// A request that does not end must not delay the stop of the agent.
func TestStopCutsWhatDoesNotEnd(t *testing.T) {
	source := stuck{asked: make(chan struct{}), release: make(chan struct{})}
	s := web.New(web.Options{Source: source, Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done, responded := make(chan error, 1), make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	go func() {
		resp, err := http.Get(s.URL() + "/api/v1/status")
		if err == nil {
			resp.Body.Close()
		}
		responded <- err
	}()
	<-source.asked
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if err := <-responded; err == nil {
		t.Error("the request ended well, want it cut")
	}
	close(source.release)
	http.DefaultClient.CloseIdleConnections()
}
