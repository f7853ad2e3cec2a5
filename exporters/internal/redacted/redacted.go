// Package redacted shows URLs and foreign words without what must not be shown.
package redacted

import (
	"net/url"
	"strings"

	promconfig "github.com/prometheus/common/config"
)

// URL returns u without user info and query, either of which may hold a token.
func URL(u string) string {
	p, err := url.Parse(u)
	if err != nil {
		return "<unusable URL>"
	}
	p.User, p.RawQuery, p.Fragment = nil, "", ""
	return p.String()
}

// shortestSecret is how long a secret is at least that is looked for in a text: what is shorter
// stands in ordinary words too.
const shortestSecret = 4

// Secrets returns what a client sends to prove who it is.
func Secrets(c promconfig.HTTPClientConfig) []string {
	var all []string
	add := func(s promconfig.Secret) {
		if len(s) >= shortestSecret {
			all = append(all, string(s))
		}
	}
	if c.BasicAuth != nil {
		add(c.BasicAuth.Password)
	}
	if c.Authorization != nil {
		add(c.Authorization.Credentials)
	}
	if c.OAuth2 != nil {
		add(c.OAuth2.ClientSecret)
	}
	add(c.BearerToken)
	return all
}

// Text returns what somebody said without the secrets, should it repeat any.
func Text(said string, secrets []string) string {
	for _, s := range secrets {
		said = strings.ReplaceAll(said, s, "<secret>")
	}
	return said
}
