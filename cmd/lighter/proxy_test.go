package main

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/discovery/dockersim"
	"lighter/exporters/receiver"
)

// corporateProxy is a proxy that requires a user and a password, and that alone can resolve certain names:
// whatever host a client requests is the backend, over TLS if the client requests a tunnel.
type corporateProxy struct {
	*httptest.Server
	secure  *httptest.Server // the backend behind a tunnel
	backend http.Handler

	mu      sync.Mutex
	asked   []string // method and host of requests, each once
	tunnels sync.WaitGroup
}

func newCorporateProxy(t *testing.T, backend http.Handler) *corporateProxy {
	p := &corporateProxy{backend: backend, secure: httptest.NewTLSServer(backend)}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.secure.CloseClientConnections()
		p.Server.Close()
		p.secure.Close()
		p.tunnels.Wait()
	})
	return p
}

// address returns the proxy's URL with its credentials.
func (p *corporateProxy) address() string {
	return strings.Replace(p.URL, "http://", "http://me:hunter2@", 1)
}

func (p *corporateProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	if what := r.Method + " " + r.Host; !slices.Contains(p.asked, what) {
		p.asked = append(p.asked, what)
	}
	p.mu.Unlock()
	if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("me:hunter2")) {
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		p.backend.ServeHTTP(w, r)
		return
	}
	out, err := net.Dial("tcp", p.secure.Listener.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = out.Close()
		return
	}
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		p.tunnels.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
		})
	}
}

// Behind a corporate proxy, both backends are reached through it, one with a tunnel and one without; the
// authority of one is private. Requests to the Engine and the targets use no proxy: they are on 0.0.0.0,
// which connects to this machine, but does not count as a loopback address when a proxy is chosen.
func TestProxy(t *testing.T) {
	backend := receiver.New(receiver.Options{})
	proxy := newCorporateProxy(t, backend)
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a 1\n")
	}))
	everywhere, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = app.Listener.Close()
	app.Listener = everywhere
	app.Start()
	defer app.Close()

	engine := dockersim.New(dockersim.Options{Name: "mini"})
	if err := engine.Listen("tcp://0.0.0.0:0"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	c := engine.Create(dockersim.Spec{Name: "api"})
	c.Start()
	c.Write(dockersim.Stdout, "hello")

	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	port := func(address string) string { return "0.0.0.0" + address[strings.LastIndex(address, ":"):] }
	lighter := exec.CommandContext(t.Context(), os.Args[0], "run")
	lighter.Env = []string{
		asLighter, "HTTPS_PROXY=" + proxy.address(), "HTTP_PROXY=" + proxy.address(), "SSL_CERT_FILE=" + authority,
		"GRAFANA_LOKI_URL=https://loki.example.com", "GRAFANA_PROM_URL=http://prom.example.com" + receiver.WritePath,
		"DOCKER_HOST=tcp://" + port(engine.Host()), "LIGHTER_LOG_SOURCE=socket", "LIGHTER_SELF_METRICS=off",
		"LIGHTER_SCRAPE_TARGETS=" + port(everywhere.Addr().String()), "LIGHTER_SCRAPE_INTERVAL=1s",
		"LIGHTER_DATA_DIR=" + t.TempDir(), "LIGHTER_LISTEN=127.0.0.1:0",
	}
	var log bytes.Buffer
	lighter.Stderr = &log
	if err := lighter.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			_ = lighter.Process.Kill()
			_ = lighter.Wait()
			t.Log(log.String())
		}
	}()
	await(t, "lines and samples are delivered", func() bool { return backend.PushStats().Lines > 0 && backend.WriteStats().Samples > 0 })
	if err := lighter.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := lighter.Wait(); err != nil || strings.Contains(log.String(), "hunter2") {
		t.Errorf("lighter run: %v, or it tells the password", err)
	}
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	slices.Sort(proxy.asked)
	if diff := cmp.Diff([]string{"CONNECT loki.example.com:443", "POST prom.example.com"}, proxy.asked); diff != "" {
		t.Errorf("what the proxy is asked (-want +got):\n%s", diff)
	}
}

// When a proxy fails, the log, the status and /ready contain the proxy's address, but not its password.
func TestProxyThatFails(t *testing.T) {
	refusing := newCorporateProxy(t, http.NotFoundHandler())
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, tc := range map[string]struct {
		proxy string
		says  []string
		held  bool // only another configuration helps
	}{
		"it is away":              {closed.Addr().String(), []string{"connection refused"}, false},
		"it refuses the password": {refusing.Listener.Addr().String(), []string{"status 407", "check the proxy's credentials"}, true},
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				t.Parallel() // each stop takes the five seconds allowed for a backend
				h := newDockerHost(t)
				h.count(h.create(dockersim.Spec{Name: "api"}), 1)
				listening, stop := startAgent(t, append(h.environ, "LIGHTER_LOG_SOURCE=socket", "GRAFANA_LOKI_URL="+scheme+"://loki.example.com",
					"HTTPS_PROXY=http://you:hunter2@"+tc.proxy, "http_proxy=you:hunter2@"+tc.proxy), "run")
				url := "http://" + net.JoinHostPort("127.0.0.1", itoa(listening.Port))
				var last string
				await(t, "the failure is in the status", func() bool {
					for _, e := range h.status(url).Endpoints {
						last = e.LastError
					}
					return last != ""
				})
				ready := body(t, url+"/ready")
				page := body(t, url+"/")
				code, log := stop()
				if code != exitOK {
					t.Errorf("exit %d:\n%s", code, log)
				}
				for _, word := range append(tc.says, "http://"+tc.proxy) {
					if !strings.Contains(last, word) || !strings.Contains(log, word) {
						t.Errorf("the status says %q, want it and the log to name %q", last, word)
					}
				}
				if tc.held != strings.Contains(ready, "http://"+tc.proxy) {
					t.Errorf("/ready says %s, want it to name the proxy at once: %t", ready, tc.held)
				}
				for _, text := range []string{last, log, ready, page} {
					if strings.Contains(text, "hunter2") {
						t.Errorf("it tells the password: %s", text)
					}
				}
			})
		}
	}
}

// An invalid proxy prevents the start, with one line without the password.
func TestProxyThatIsNone(t *testing.T) {
	for _, kv := range []string{"HTTPS_PROXY=ftp://me:hunter2@proxy:21", "http_proxy=http://me:hunter2@proxy:port", "https_proxy=http://"} {
		name, _, _ := strings.Cut(kv, "=")
		code, _, stderr := command(t, []string{kv, "GRAFANA_LOKI_TOKEN=a"}, "run")
		if code != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, name) || strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: exit %d, log %q, want one line that names the variable and no password", kv, code, stderr)
		}
	}
}

func body(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
