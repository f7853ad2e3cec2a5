package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate and its key.
func writePair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: signed}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// askAs sends a request to an agent and returns the status, or 0 if there is no response.
func askAs(t *testing.T, method, url, password string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("me", password)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// An agent requires a password and uses TLS, according to its settings or its file, and its health check
// still gets the reasons.
func TestServerIsProtected(t *testing.T) {
	cert, key := writePair(t)
	block := fmt.Sprintf("http {\nauth {\nbasic {\nusername = \"me\"\npassword = \"hunter2\"\n}\n}\ntls {\ncert_file = %q\nkey_file = %q\n}\n}\n", cert, key)
	settings := []string{"LIGHTER_HTTP_USER=me", "LIGHTER_HTTP_PASSWORD=hunter2", "LIGHTER_TLS_CERT=" + cert, "LIGHTER_TLS_KEY=" + key}
	for name, tc := range map[string]struct {
		environ []string
		args    []string
		metrics int // the status of /metrics without a password
	}{
		"settings":               {settings, []string{"run"}, 200},
		"settings beside a file": {settings, []string{"run", writeFile(t, seedFile)}, 200},
		"the file":               {nil, []string{"run", writeFile(t, seedFile+block)}, 401},
		"the file's word counts": {[]string{"LIGHTER_HTTP_USER=me", "LIGHTER_HTTP_PASSWORD=another"}, []string{"run", writeFile(t, seedFile+block)}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			environ := append([]string{"DOCKER_HOST=unix://" + filepath.Join(t.TempDir(), "none.sock"), "GRAFANA_LOKI_URL=http://127.0.0.1:1/loki/api/v1/push",
				"LIGHTER_DATA_DIR=" + t.TempDir(), "LIGHTER_LISTEN=127.0.0.1:0"}, tc.environ...)
			line, stop := startAgent(t, environ, tc.args...)
			defer stop()
			url := "https://127.0.0.1:" + itoa(line.Port)
			for _, ask := range []struct {
				method, path, password string
				want                   int
			}{
				{"GET", "/", "", 401}, {"GET", "/", "hunter2", 200}, {"GET", "/", "another", 401}, {"GET", "/health", "", 200},
				{"POST", "/-/reload", "", 401}, {"POST", "/-/reload", "hunter2", 200}, {"GET", "/metrics", "", tc.metrics},
				{"GET", "/api/v1/status", "", 401}, // also after a reload
			} {
				if got := askAs(t, ask.method, url+ask.path, ask.password); got != ask.want {
					t.Errorf("%s %s with password %q = %d, want %d", ask.method, ask.path, ask.password, got, ask.want)
				}
			}
			if code, stdout, stderr := command(t, environ, "healthcheck"); strings.Contains(stderr, "does not answer") || strings.Contains(stderr, "it answered") {
				t.Errorf("healthcheck = %d %q %q, want the agent's own words", code, stdout, stderr)
			}
		})
	}
}

// A reload changes the password and turns TLS on.
func TestReloadChangesTheProtection(t *testing.T) {
	cert, key := writePair(t)
	file := writeFile(t, seedFile)
	environ := []string{"DOCKER_HOST=unix://" + filepath.Join(t.TempDir(), "none.sock"), "GRAFANA_LOKI_URL=http://127.0.0.1:1/loki/api/v1/push",
		"LIGHTER_DATA_DIR=" + t.TempDir(), "LIGHTER_LISTEN=127.0.0.1:0"}
	line, stop := startAgent(t, environ, "run", file)
	defer stop()
	addr := "127.0.0.1:" + itoa(line.Port)
	write := func(block string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(seedFile+block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("http {\ntls {\ncert_file = \"/none.pem\"\nkey_file = \"/none.pem\"\n}\n}\n")
	post(t, "http://"+addr+"/-/reload", http.StatusBadRequest, "/none.pem")
	write(fmt.Sprintf("http {\nauth {\nbasic {\nusername = \"me\"\npassword = \"hunter2\"\n}\n}\ntls {\ncert_file = %q\nkey_file = %q\n}\n}\n", cert, key))
	post(t, "http://"+addr+"/-/reload", http.StatusOK, "ok")
	http.DefaultClient.CloseIdleConnections()
	if got := askAs(t, "GET", "https://"+addr+"/", ""); got != 401 {
		t.Errorf("without the password = %d, want 401", got)
	}
	if got := askAs(t, "GET", "https://"+addr+"/", "hunter2"); got != 200 {
		t.Errorf("with the password = %d, want 200", got)
	}
}

// A certificate that cannot be read keeps the agent from starting, with one line that names it.
func TestUnreadableCertificate(t *testing.T) {
	environ := []string{"DOCKER_HOST=unix:///nonexistent/docker.sock", "LIGHTER_DATA_DIR=" + t.TempDir(), "LIGHTER_LISTEN=127.0.0.1:0", "LIGHTER_TLS_CERT=/none.pem", "LIGHTER_TLS_KEY=/none.key"}
	code, _, stderr := command(t, environ, "run")
	last := strings.TrimSpace(stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:])
	if code != exitFailed || !strings.Contains(last, "/none.pem") || !strings.Contains(last, "LIGHTER_TLS_CERT") {
		t.Errorf("run = %d:\n%s", code, stderr)
	}
}
