package env_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config"
	"lighter/config/env"
)

// The settings of the agent's own server apply in the environment's plan and together with a file, and a
// password may be in a file.
func TestServer(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"LIGHTER_HTTP_USER=me", "LIGHTER_HTTP_PASSWORD_FILE=" + password, "LIGHTER_TLS_CERT=/c.pem", "LIGHTER_TLS_KEY=/k.pem"}
	auth := &config.ServerAuth{User: "me", Password: "hunter2", Paths: []string{"/health", "/-/healthy", "/ready", "/-/ready", "/metrics"}}
	tls := &config.ServerTLS{CertFile: "/c.pem", KeyFile: "/k.pem"}

	p := plan(t, environ...)
	s, warnings, err := env.ForFile(environ, os.ReadFile)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("err = %v, warnings = %q", err, warnings)
	}
	for name, have := range map[string]config.Agent{"plan": p.Agent, "beside a file": {Auth: s.ServerAuth(), TLS: s.ServerTLS()}} {
		if diff := cmp.Diff(auth, have.Auth); diff != "" {
			t.Errorf("%s: auth (-want +have):\n%s", name, diff)
		}
		if diff := cmp.Diff(tls, have.TLS); diff != "" {
			t.Errorf("%s: TLS (-want +have):\n%s", name, diff)
		}
	}
	if a := plan(t).Agent; a.Auth != nil || a.TLS != nil {
		t.Errorf("with nothing set: auth = %v, TLS = %v", a.Auth, a.TLS)
	}
}
