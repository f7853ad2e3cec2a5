package redacted_test

import (
	"strings"
	"testing"

	promconfig "github.com/prometheus/common/config"

	"lighter/exporters/internal/redacted"
)

func TestText(t *testing.T) {
	secrets := redacted.Secrets(promconfig.HTTPClientConfig{
		BasicAuth:     &promconfig.BasicAuth{Username: "me", Password: "hunter2"},
		Authorization: &promconfig.Authorization{Credentials: "glc_abc"},
		OAuth2:        &promconfig.OAuth2{ClientSecret: "client-secret"},
		BearerToken:   "abc", // too short to be told from a word
	})
	got := redacted.Text("invalid token glc_abc or hunter2 or client-secret for abc and me", secrets)
	if want := "invalid token <secret> or <secret> or <secret> for abc and me"; got != want {
		t.Errorf("Text() = %q, want %q", got, want)
	}
	if got := redacted.Text("as it is", nil); got != "as it is" {
		t.Errorf("without secrets: %q", got)
	}
}

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://me:hunter2@host:1/path?token=hunter2#hunter2": "http://host:1/path",
		"https://host":            "https://host",
		"http://host/\x00hunter2": "<unusable URL>",
	} {
		if got := redacted.URL(in); got != want || strings.Contains(got, "hunter2") {
			t.Errorf("URL(%q) = %q, want %q", in, got, want)
		}
	}
}
