package docker_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/pkg/stdcopy"
	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

func readLog(t *testing.T, c *docker.Client, id string, o docker.LogOptions) (stdout, stderr string) {
	t.Helper()
	body, err := c.OpenLogs(t.Context(), id, o)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var out, errs bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &errs, body); err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}

func TestOpenLogs(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	api := e.Create(dockersim.Spec{Name: "api"})
	api.WriteAt(1_000_000_001, dockersim.Stdout, "a")
	api.WriteAt(1_000_000_002, dockersim.Stderr, "b")
	api.WriteAt(3_000_000_000, dockersim.Stdout, "c")
	const a, b, last = "1970-01-01T00:00:01.000000001Z a\n", "1970-01-01T00:00:01.000000002Z b\n", "1970-01-01T00:00:03.000000000Z c\n"
	for name, tc := range map[string]struct {
		o           docker.LogOptions
		out, errOut string
	}{
		"all":                       {docker.LogOptions{}, a + last, b},
		"none that are there":       {docker.LogOptions{Tail: -1}, "", ""},
		"since a nanosecond":        {docker.LogOptions{Since: 1_000_000_002}, last, b},
		"since a whole second":      {docker.LogOptions{Since: 3_000_000_000}, last, ""},
		"tail":                      {docker.LogOptions{Tail: 2}, last, b},
		"follow one that is over":   {docker.LogOptions{Follow: true}, a + last, b},
		"since after its last line": {docker.LogOptions{Since: 3_000_000_001}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if out, errOut := readLog(t, c, api.ID(), tc.o); out != tc.out || errOut != tc.errOut {
				t.Errorf("stdout %q, stderr %q; want %q, %q", out, errOut, tc.out, tc.errOut)
			}
		})
	}
}

func TestKindsOfErrors(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	dead := e.Create(dockersim.Spec{Name: "dead"})
	dead.MarkDead()
	none := e.Create(dockersim.Spec{Name: "none", Driver: "none"})
	gone := strings.Repeat("f", 64)
	for name, tc := range map[string]struct {
		id   string
		want error
	}{
		"gone": {gone, lighter.ErrGone}, "dead": {dead.ID(), lighter.ErrGone}, "driver none": {none.ID(), lighter.ErrUnreadable},
	} {
		_, err := c.OpenLogs(t.Context(), tc.id, docker.LogOptions{})
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want one that wraps %q", name, err, tc.want)
		}
	}
	if _, err := c.Inspect(t.Context(), gone); !errors.Is(err, lighter.ErrGone) {
		t.Errorf("inspect: %v", err)
	}
	e.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return true
	})
	if _, err := c.Inspect(t.Context(), gone); err == nil || errors.Is(err, lighter.ErrGone) {
		t.Errorf("a proxy that knows no such path: %v, which is no word on the container", err)
	}
}

// Podman implements an API of Docker before 23, but has other defects than those Engines. It reports paused
// containers as not running.
func TestInspectOfPodman(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{APIVersion: "1.41"})
	container := e.Create(dockersim.Spec{Name: "api"})
	e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/version"):
			_, _ = w.Write([]byte(`{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine","Version":"4.3.1"},{"Name":"Conmon","Version":"2.1.6"}]}`))
		case strings.HasSuffix(r.URL.Path, "/json"):
			_, _ = w.Write([]byte(`{"Id":"` + container.ID() + `","State":{"Status":"paused","Running":false,"Paused":true},"HostConfig":{"LogConfig":{"Type":"json-file"}}}`))
		default:
			return false
		}
		return true
	})
	got, err := c.Inspect(t.Context(), container.ID())
	if err != nil {
		t.Fatal(err)
	}
	if !got.Podman || got.OldEngine || !got.Running {
		t.Errorf("Podman %t, an old Engine %t, running %t; want a running container of Podman", got.Podman, got.OldEngine, got.Running)
	}
}

func TestInspect(t *testing.T) {
	recorded, err := os.ReadFile("testdata/inspect.json")
	if err != nil {
		t.Fatal(err)
	}
	e, c := socketEngine(t, dockersim.Options{APIVersion: "1.41"})
	e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/v1.41/containers/") {
			return false
		}
		_, _ = w.Write(recorded)
		return true
	})
	got, err := c.Inspect(t.Context(), "nonet")
	if err != nil {
		t.Fatal(err)
	}
	want := &lighter.Container{
		ID:        got.ID, // see the prefix below
		Name:      "nonet",
		TTY:       true,
		LogDriver: "local",
		LogFiles:  lighter.LogFiles{MaxBytes: 20 << 20, Max: 5, Compressed: true},
		Running:   true,
		Created:   time.Date(2026, 11, 22, 3, 56, 54, 747555690, time.UTC),
		Started:   time.Date(2026, 11, 22, 3, 56, 55, 580220340, time.UTC),
		OldEngine: true,

		Image: "lighter-e2e-generator", State: "running", PID: 26163, NetworkMode: "none",
	}
	if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(got.ID, "8bee23b29a83") {
		t.Errorf("container (-want +got):\n%s", diff)
	}

	for _, response := range []string{"", "null", "{}", `{"Id":""}`, "[]", `{"Id":`, "<html>"} {
		e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = w.Write([]byte(response))
			return true
		})
		if _, err := c.Inspect(t.Context(), "nonet"); err == nil || errors.Is(err, lighter.ErrGone) {
			t.Errorf("response %q: %v, want an error other than ErrGone", response, err)
		}
	}
}

// The options of the log driver determine how a log is kept. Missing options have the driver's defaults.
func TestLogFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		api     string
		driver  string
		options map[string]string
		want    lighter.LogFiles
	}{
		"json-file":          {"1.42", "json-file", nil, lighter.LogFiles{}},
		"json-file, rotated": {"1.42", "json-file", map[string]string{"max-size": "10m", "max-file": "3"}, lighter.LogFiles{MaxBytes: 10e6, Max: 3}},
		"json-file, compressed": {"1.42", "json-file", map[string]string{"max-size": "100k", "max-file": "3", "compress": "true"},
			lighter.LogFiles{MaxBytes: 100e3, Max: 3, Compressed: true}},
		"of an old Engine": {"1.41", "json-file", map[string]string{"max-size": "100k", "max-file": "3", "compress": "true"},
			lighter.LogFiles{MaxBytes: 100e3, Max: 3, Compressed: true}},
		"local":                 {"1.42", "local", nil, lighter.LogFiles{MaxBytes: 20 << 20, Max: 5, Compressed: true}},
		"local, not compressed": {"1.41", "local", map[string]string{"max-size": "1m", "compress": "false"}, lighter.LogFiles{MaxBytes: 1e6, Max: 5}},
		"another":               {"1.41", "journald", map[string]string{"max-size": "1m"}, lighter.LogFiles{}},
		"odd":                   {"1.42", "json-file", map[string]string{"max-size": "much", "max-file": "-1", "compress": "perhaps"}, lighter.LogFiles{}},
	} {
		t.Run(name, func(t *testing.T) {
			e, c := socketEngine(t, dockersim.Options{APIVersion: tc.api})
			api := e.Create(dockersim.Spec{Name: "api", Driver: tc.driver, LogOptions: tc.options})
			got, err := c.Inspect(t.Context(), api.ID())
			if err != nil {
				t.Fatal(err)
			}
			if got.LogFiles != tc.want {
				t.Errorf("log files = %+v, want %+v", got.LogFiles, tc.want)
			}
		})
	}
}

func TestVersionIsNegotiatedAtEachConnect(t *testing.T) {
	e := dockersim.New(dockersim.Options{APIVersion: "1.44", MinAPIVersion: "1.24"})
	if err := e.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := newClient(t, config(e.Host()))
	id := e.Create(dockersim.Spec{Name: "api"}).ID()
	inspect := func() (version string) {
		t.Helper()
		for range 2 { // the first call may find that another Engine is behind the socket
			if _, err := c.Inspect(t.Context(), id); err == nil {
				requests := e.Requests()
				version, _, _ = strings.Cut(strings.TrimPrefix(requests[len(requests)-1].Path, "/v"), "/")
				return version
			}
		}
		t.Fatal("the client does not get over another Engine")
		return ""
	}
	var spoken []string
	for _, version := range []string{"1.44", "1.24", "1.99"} { // no Engine supports the version of the one before
		e.Down()
		e.SetAPIVersion(version, min(version, "1.44"))
		if err := e.Up(); err != nil {
			t.Fatal(err)
		}
		spoken = append(spoken, inspect())
	}
	if want := []string{"1.44", "1.24", "1.51"}; !slices.Equal(spoken, want) { // 1.51 is the newest version of the library
		t.Errorf("spoke %v, want %v", spoken, want)
	}

	for _, version := range []string{"1.44", "1.45"} { // an Engine that speaks 1.45 would accept 1.44, too
		e.SetAPIVersion(version, "1.24")
		if _, err := docker.New(config(e.Host()), c, slog.New(slog.DiscardHandler)).List(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := inspect(); v != version {
			t.Errorf("a Discoverer that connected to %s left the client at %s", version, v)
		}
	}

	fixed := config(e.Host())
	fixed.APIVersion = "1.40"
	c = newClient(t, fixed)
	if v := inspect(); v != "1.40" {
		t.Errorf("spoke %s, want the version that is set", v)
	}
}

func TestHostName(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{Name: "box"})
	if got := c.HostName(t.Context()); got != "box" {
		t.Errorf("host name = %q", got)
	}
	refused := newClient(t, config(e.Host()))
	e.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/info") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	if got := refused.HostName(t.Context()); got != "" {
		t.Errorf("host name = %q, want none", got)
	}
}

func TestAHungEngineIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, config("unix:///run/docker.sock"))
		defer b.close()
		b.network.up(b.engine)
		id := b.engine.Create(dockersim.Spec{Name: "api"}).ID()
		if _, err := b.client.Inspect(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		b.engine.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		})
		for name, call := range map[string]func() error{
			"inspect": func() error { _, err := b.client.Inspect(t.Context(), id); return err },
			"open log": func() error {
				_, err := b.client.OpenLogs(t.Context(), id, docker.LogOptions{Follow: true})
				return err
			},
		} {
			start := time.Now()
			if err := call(); err == nil || time.Since(start) > 30*time.Second {
				t.Errorf("%s: %v after %s", name, err, time.Since(start))
			}
		}
		if name := b.client.HostName(t.Context()); name != "" {
			t.Errorf("host name = %q", name)
		}
	})
}

func TestAQuietLogStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, config("unix:///run/docker.sock"))
		defer b.close()
		b.network.up(b.engine)
		c := b.engine.Create(dockersim.Spec{Name: "api"})
		c.Start()
		body, err := b.client.OpenLogs(t.Context(), c.ID(), docker.LogOptions{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		time.Sleep(72 * time.Hour)
		c.Write(dockersim.Stdout, "at last")
		c.Stop(0)
		if got, err := io.ReadAll(body); err != nil || !bytes.HasSuffix(got, []byte("at last\n")) {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := tcp.Addr().String()
	_ = tcp.Close()
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	defer tlsServer.Close()

	for host, want := range map[string]string{
		"unix://" + stale:                               "mount its directory",
		"unix://" + dir + "/x":                          "there is no such socket",
		"tcp://" + closed:                               "nobody listens there",
		"http://" + tlsServer.Listener.Addr().String():  "",
		"https://" + tlsServer.Listener.Addr().String(): "certificate",
	} {
		_, err := newClient(t, config(host)).Inspect(t.Context(), "x")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", host, err, want)
		}
	}

	e, c := socketEngine(t, dockersim.Options{})
	e.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	if _, err := c.Inspect(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "must let GET /_ping through") {
		t.Errorf("forbidden: %v", err)
	}
}

func TestHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"unix:///var/run/docker.sock": true, "tcp://10.0.0.1:2375": true, "tcp://box": true, "http://proxy:2375/docker": true, "https://box:2376": true, "tcp://[::1]:2375": true,
		"": false, "unix://": false, "unix://relative.sock": false, "ssh://me@box": false, "npipe:////./pipe/docker_engine": false, "box:2375": false, "tcp://": false,
		"tcp://me:hunter2@box:2375": false, "ssh://me:hunter2@box": false, "me:hunter2@box": false, "http://box:2375/?x=y": false,
	} {
		_, err := docker.NewClient(config(host), slog.New(slog.DiscardHandler))
		if (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a password is shown: %v", err)
		}
	}
}

func TestTLS(t *testing.T) {
	e := dockersim.New(dockersim.Options{Name: "box"})
	defer e.Close()
	server := httptest.NewTLSServer(e)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	defer server.Close()
	certs := t.TempDir()
	writePEM(t, filepath.Join(certs, "ca.pem"), "CERTIFICATE", server.Certificate().Raw)
	writeKeyPair(t, certs)

	cfg := config("tcp://" + server.Listener.Addr().String())
	cfg.CertPath, cfg.TLSVerify = certs, true
	if got := newClient(t, cfg).HostName(t.Context()); got != "box" {
		t.Errorf("with its certificate: host name = %q", got)
	}
	writePEM(t, filepath.Join(certs, "ca.pem"), "CERTIFICATE", readPEM(t, filepath.Join(certs, "cert.pem")))
	if _, err := newClient(t, cfg).Inspect(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("with another's certificate: %v", err)
	}
	cfg.TLSVerify = false
	if got := newClient(t, cfg).HostName(t.Context()); got != "box" {
		t.Errorf("not verified: host name = %q", got)
	}
	cfg.CertPath = filepath.Join(certs, "nothing")
	if _, err := docker.NewClient(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), lighter.SettingCertPath) {
		t.Errorf("no certificates: %v", err)
	}
}

func writeKeyPair(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", keyDER)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readPEM(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}

// If the settings contain a version that the Engine does not support, the error names the setting, because
// only the user can change it.
func TestAVersionThatIsSetIsNamed(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{APIVersion: "1.44", MinAPIVersion: "1.24"})
	for _, version := range []string{"1.99", "1.20"} {
		fixed := config(e.Host())
		fixed.APIVersion = version
		_, err := newClient(t, fixed).Inspect(t.Context(), "x")
		if err == nil || !strings.Contains(err.Error(), "client version "+version) || !strings.Contains(err.Error(), lighter.SettingAPIVersion) {
			t.Errorf("err = %v, want the setting named", err)
		}
		_, err = docker.New(fixed, newClient(t, fixed), slog.New(slog.DiscardHandler)).List(t.Context())
		if err == nil || !strings.Contains(err.Error(), lighter.SettingAPIVersion) {
			t.Errorf("err = %v, want the setting named", err)
		}
	}
	if _, err := c.Inspect(t.Context(), "x"); !errors.Is(err, lighter.ErrGone) || strings.Contains(err.Error(), lighter.SettingAPIVersion) {
		t.Errorf("err = %v, want that there is no such container", err)
	}
}
