package redacted_test

import (
	"net/url"
	"strings"
	"testing"

	promconfig "github.com/prometheus/common/config"

	"lighter/exporters/internal/redacted"
)

func TestText(t *testing.T) {
	secrets := redacted.Secrets(promconfig.HTTPClientConfig{
		BasicAuth:     &promconfig.BasicAuth{Username: "me", Password: "hunter2>>?"},
		Authorization: &promconfig.Authorization{Credentials: "glc_abc=="},
		OAuth2:        &promconfig.OAuth2{ClientID: "id", ClientSecret: "client/secret"},
		BearerToken:   "abc", // too short to be distinguished from a word
		ProxyConfig:   promconfig.ProxyConfig{ProxyURL: promconfig.URL{URL: &url.URL{Scheme: "http", Host: "proxy:3128", User: url.UserPassword("us", "open sesame")}}},
	}, "http://you:swordfish@host/push?key=query-key&n=1&m=kind")
	for name, tc := range map[string]struct{ said, want string }{
		"all of them":              {"glc_abc== or hunter2>>? or client/secret for abc and me", "<secret> or <secret> or <secret> for abc and me"},
		"in a URL":                 {"/a?x=glc_abc%3D%3D&y=client%2Fsecret", "/a?x=<secret>&y=<secret>"},
		"of the URL":               {"/push?key=query-key&n=1 by you:swordfish", "/push?key=<secret>&n=1 by you:<secret>"},
		"basic":                    {"Basic bWU6aHVudGVyMj4+Pw==", "Basic <secret>"},
		"basic without padding":    {"Basic bWU6aHVudGVyMj4+Pw.", "Basic <secret>."},
		"basic, URLs' alphabet":    {"Basic bWU6aHVudGVyMj4-Pw==", "Basic <secret>"},
		"likewise without padding": {"Basic bWU6aHVudGVyMj4-Pw.", "Basic <secret>."},
		"basic in a URL":           {"u=bWU6aHVudGVyMj4%2BPw%3D%3D", "u=<secret>"},
		"basic of the URL":         {"Basic eW91OnN3b3JkZmlzaA==", "Basic <secret>"},
		"basic of OAuth":           {"Basic aWQ6Y2xpZW50JTJGc2VjcmV0", "Basic <secret>"},
		"of the proxy":             {"us:open sesame, Basic dXM6b3BlbiBzZXNhbWU=", "us:<secret>, Basic <secret>"},
		"in JSON":                  {`"client\/secret"`, `"<secret>"`},
		"in base64":                {"Y2xpZW50L3NlY3JldA==", "<secret>"},
		"in base64 with more":      {"Y2xpZW50L3NlY3JldAo=", "<secret>o="},
		"in hexadecimal":           {"676c635f6162633d3d", "<secret>"},
		"basic in base64":          {"Ylc1NmFIVnVkR1Z5TWo0K1B3PT0= YldVNmFIVnVkR1Z5TWo0K1B3PT0=", "Ylc1NmFIVnVkR1Z5TWo0K1B3PT0= <secret>"},
		"a word of the query":      {"a response of 1 kind", "a response of 1 kind"},
		"cut":                      {"the token glc_abc", "the token <secret>"},
		"cut early":                {"the token glc_", "the token <secret>"},
		"the beginning of a word":  {"the token gl", "the token gl"},
		"cut in basic":             {"the token bWU6aHVud", "the token <secret>"},
	} {
		if got := redacted.Text(tc.said, secrets); got != tc.want {
			t.Errorf("%s: Text(%q) = %q, want %q", name, tc.said, got, tc.want)
		}
	}
	if got := redacted.Text("as it is", nil); got != "as it is" {
		t.Errorf("without secrets: %q", got)
	}
}

// A user without a password is not a secret, nor is the content of an invalid URL.
func TestNoSecrets(t *testing.T) {
	if got := redacted.Secrets(promconfig.HTTPClientConfig{}, "http://somebody@host/?n=1"); len(got) > 0 {
		t.Errorf("Secrets() = %q, want none", got)
	}
	if got := redacted.Secrets(promconfig.HTTPClientConfig{}, "http://somebody:\x00@host/"); len(got) > 0 {
		t.Errorf("Secrets() of an unusable URL = %q, want none", got)
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
