package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter/cmd/lighter/web"
	"lighter/config"
)

// protected runs a server with the given access for the length of the test.
func protected(t *testing.T, prefix string, auth *config.ServerAuth, tls *config.ServerTLS) *web.Server {
	t.Helper()
	access, err := web.NewAccess(auth, tls, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := web.New(web.Options{Source: fixed{working(), well}, Metrics: prometheus.NewRegistry(), Prefix: prefix, Access: access,
		Reload: func() error { return nil }, Logger: slog.New(slog.DiscardHandler)})
	if err := s.Listen("127.0.0.1:0"); err != nil {
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

// asks sends a request on a new connection and returns the response, whose body is closed.
func asks(t *testing.T, method, url, user, password string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user+password != "" {
		req.SetBasicAuth(user, password)
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestAuth(t *testing.T) {
	open := []string{"/health", "/-/healthy", "/ready", "/-/ready", "/metrics"}
	for name, tc := range map[string]struct {
		auth   config.ServerAuth
		open   []string // paths that require no user
		closed []string
	}{
		"all but some":       {config.ServerAuth{Paths: open}, append(open, "/x/metrics", "/x/ready"), []string{"/", "/api/v1/status", "/-/reload", "/none", "/x/", "/x/-/reload", "/x/api/v1/status", "/xmetrics"}},
		"all":                {config.ServerAuth{}, nil, []string{"/", "/metrics", "/x/metrics", "/-/reload"}},
		"some":               {config.ServerAuth{Paths: []string{"/api", "/-/reload"}, OnlyPaths: true}, []string{"/", "/metrics", "/x/"}, []string{"/api/v1/status", "/x/api/v1/status", "/-/reload", "/x/-/reload"}},
		"some by the prefix": {config.ServerAuth{Paths: []string{"/x/api"}, OnlyPaths: true}, []string{"/"}, []string{"/api/v1/status", "/x/api/v1/status"}},
		"none of all":        {config.ServerAuth{Paths: []string{"/"}}, []string{"/", "/api/v1/status"}, nil},
		"nothing of none":    {config.ServerAuth{OnlyPaths: true}, []string{"/", "/api/v1/status"}, nil},
		// The health check of this machine has no password.
		"the health of the machine itself": {config.ServerAuth{Paths: []string{"/"}, OnlyPaths: true}, open[:4], []string{"/", "/metrics"}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.auth.User, tc.auth.Password = "me", "hunter2"
			url := protected(t, "/x", &tc.auth, nil).URL()
			for _, path := range tc.open {
				if resp := asks(t, "GET", url+path, "", ""); resp.StatusCode != 200 {
					t.Errorf("%s without a user = %s", path, resp.Status)
				}
			}
			for _, path := range tc.closed {
				for _, wrong := range [][2]string{{"", ""}, {"me", ""}, {"", "hunter2"}, {"me", "hunter"}, {"you", "hunter2"}, {"me", "hunter22"}} {
					if resp := asks(t, "POST", url+path, wrong[0], wrong[1]); resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic realm=") {
						t.Errorf("%s as %q = %s %q, want 401", path, wrong, resp.Status, resp.Header.Get("WWW-Authenticate"))
					}
				}
				if resp := asks(t, "GET", url+path, "me", "hunter2"); resp.StatusCode == 401 {
					t.Errorf("%s with the password = 401", path)
				}
			}
		})
	}
}

// An empty user with an empty password must be sent too.
func TestAuthOfNobody(t *testing.T) {
	if resp := asks(t, "GET", protected(t, "", &config.ServerAuth{}, nil).URL()+"/", "", ""); resp.StatusCode != 401 {
		t.Errorf("without a header = %s, want 401", resp.Status)
	}
}

func TestPrefix(t *testing.T) {
	for _, prefix := range []string{"/x", "/x/", "x"} {
		url := protected(t, prefix, nil, nil).URL()
		for path, want := range map[string]int{"/x": 301, "/x/": 200, "/x/metrics": 200, "/x/ready": 200, "/": 200, "/metrics": 200,
			"/xy": 404, "/xmetrics": 404, "/x/x/metrics": 404, "/x//metrics": 404} {
			resp := asks(t, "GET", url+path, "", "")
			if resp.StatusCode != want || want == 301 && resp.Header.Get("Location") != "/x/" {
				t.Errorf("prefix %q: %s = %s to %q, want %d", prefix, path, resp.Status, resp.Header.Get("Location"), want)
			}
		}
	}
}

// writePair writes a certificate with a serial number, and its key.
func writePair(t *testing.T, dir string, serial int64) *config.ServerTLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := &config.ServerTLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{files.CertFile: {Type: "CERTIFICATE", Bytes: cert}, files.KeyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Unix(1e9+serial, 0)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// A changed certificate is used from the next connection on, a broken one is not, and TLS follows the
// access.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := writePair(t, dir, 1)
	s := protected(t, "", nil, files)
	serial := func() int64 {
		t.Helper()
		return asks(t, "GET", s.URL()+"/health", "", "").TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if !strings.HasPrefix(s.URL(), "https://") || serial() != 1 {
		t.Errorf("%s with certificate %d, want https and 1", s.URL(), serial())
	}
	writePair(t, dir, 2)
	if got := serial(); got != 2 {
		t.Errorf("certificate %d after it has changed, want 2", got)
	}
	if err := os.WriteFile(files.CertFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("certificate %d after it was broken, want 2", got)
	}
	if resp := asks(t, "GET", "http://"+s.Addr()+"/", "", ""); resp.StatusCode != 400 {
		t.Errorf("without TLS = %s, want 400", resp.Status)
	}
	s.SetAccess(nil)
	if resp := asks(t, "GET", s.URL()+"/", "", ""); resp.StatusCode != 200 || resp.TLS != nil {
		t.Errorf("%s without TLS = %s", s.URL(), resp.Status)
	}
}

// A server that requires client certificates refuses clients without one.
func TestClientCertificates(t *testing.T) {
	files := writePair(t, t.TempDir(), 1)
	files.ClientCAFile, files.ClientAuth = files.CertFile, tls.RequireAndVerifyClientCert
	s := protected(t, "", nil, files)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	if resp, err := client.Get(s.URL() + "/"); err == nil {
		resp.Body.Close()
		t.Errorf("without a certificate = %s, want an error", resp.Status)
	}
}

func TestUnusableCertificates(t *testing.T) {
	good := writePair(t, t.TempDir(), 1)
	other := writePair(t, t.TempDir(), 2)
	for name, tc := range map[string]struct {
		tls  config.ServerTLS
		want []string
	}{
		"no certificate": {config.ServerTLS{CertFile: "/none.pem", KeyFile: good.KeyFile}, []string{"/none.pem", "LIGHTER_TLS_CERT", "no such file"}},
		"no key":         {config.ServerTLS{CertFile: good.CertFile, KeyFile: "/none.pem"}, []string{"/none.pem", "LIGHTER_TLS_KEY", "no such file"}},
		"of another":     {config.ServerTLS{CertFile: good.CertFile, KeyFile: other.KeyFile}, []string{good.CertFile, other.KeyFile, "does not match"}},
		"not PEM":        {config.ServerTLS{Cert: "x", Key: "hunter2"}, []string{"cert_file"}},
		"no client CA":   {config.ServerTLS{CertFile: good.CertFile, KeyFile: good.KeyFile, ClientCAFile: "/none.pem"}, []string{"/none.pem", "client_ca_file"}},
		"bad client CA":  {config.ServerTLS{CertFile: good.CertFile, KeyFile: good.KeyFile, ClientCA: "x"}, []string{"client_ca_pem"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := web.NewAccess(nil, &tc.tls, slog.New(slog.DiscardHandler))
			if err == nil || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("error %v, want one line without the key", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}
