package main

import (
	"bytes"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCertificatesThatAreIgnoredAreNamed: Go silently ignores authorities that it cannot read.
func TestCertificatesThatAreIgnoredAreNamed(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	good, bad := filepath.Join(dir, "ca.pem"), filepath.Join(empty, "ca.der")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{
		good: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		bad:  server.Certificate().Raw,
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const nothing = "; no certificate authority is loaded from it"
	for name, tc := range map[string]struct{ environ, want []string }{
		"not set":        {nil, nil},
		"set to nothing": {[]string{"SSL_CERT_FILE=", "SSL_CERT_DIR="}, nil},
		"all is well":    {[]string{"SSL_CERT_FILE=" + good, "SSL_CERT_DIR=" + dir}, nil},
		"a missing file": {[]string{"SSL_CERT_FILE=/none/ca.pem"}, []string{`SSL_CERT_FILE="/none/ca.pem": cannot read the file: no such file or directory` + nothing}},
		"a directory":    {[]string{"SSL_CERT_FILE=" + dir}, []string{`SSL_CERT_FILE="` + dir + `": cannot read the file: is a directory` + nothing}},
		"no PEM":         {[]string{"SSL_CERT_FILE=" + bad}, []string{`SSL_CERT_FILE="` + bad + `": the file contains no certificate in PEM format` + nothing}},
		"two of three":   {[]string{"SSL_CERT_DIR=" + dir + ":/none:" + empty}, []string{`SSL_CERT_DIR="/none": cannot read the directory: no such file or directory` + nothing, `SSL_CERT_DIR="` + empty + `": no file in the directory contains a certificate in PEM format` + nothing}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &cli{environ: tc.environ}
			if diff := cmp.Diff(tc.want, certificateWarnings(c.env("SSL_CERT_FILE"), c.env("SSL_CERT_DIR"))); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("at the start", func(t *testing.T) {
		read, err := (&cli{stderr: &bytes.Buffer{}, environ: []string{"SSL_CERT_FILE=/none/ca.pem"}}).configure(t.Context(), runFlags{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{`SSL_CERT_FILE="/none/ca.pem": cannot read the file: no such file or directory` + nothing}, read.warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	})
}
