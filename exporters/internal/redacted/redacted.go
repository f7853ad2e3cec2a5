// Package redacted shows URLs and foreign words without what must not be shown.
package redacted

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"lighter"
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

// shortestValue is likewise that of a value in a URL's query, which need be no secret at all.
const shortestValue = 8

// mask stands where a secret was.
const mask = "<secret>"

// Secrets returns what a client that posts to u sends to prove who it is, to a proxy as well, in each form in which
// a response may repeat it; the longest first, so that no part of one is left by another. headers are the values of
// further headers, which need be no secrets.
func Secrets(c promconfig.HTTPClientConfig, u string, headers ...lighter.Secret) []string {
	var all []string
	add := func(s string) {
		if len(s) < shortestSecret {
			return
		}
		for _, form := range forms(s) {
			if !slices.Contains(all, form) {
				all = append(all, form)
			}
		}
	}
	basic := func(user, password string) {
		add(password)
		if password == "" {
			return // the header is the user alone, who is no secret
		}
		for _, encoding := range encodings {
			add(encoding.EncodeToString([]byte(user + ":" + password)))
		}
	}
	if c.BasicAuth != nil {
		basic(c.BasicAuth.Username, string(c.BasicAuth.Password))
	}
	if c.Authorization != nil {
		add(string(c.Authorization.Credentials))
	}
	if c.OAuth2 != nil {
		basic(url.QueryEscape(c.OAuth2.ClientID), url.QueryEscape(string(c.OAuth2.ClientSecret))) // RFC 6749, 2.3.1
		add(string(c.OAuth2.ClientSecret))
	}
	add(string(c.BearerToken))
	if proxy := c.ProxyURL.URL; proxy != nil {
		password, _ := proxy.User.Password()
		basic(proxy.User.Username(), password)
	}
	for _, h := range headers {
		if len(h) >= shortestValue {
			add(h.Reveal())
		}
	}
	if p, err := url.Parse(u); err == nil {
		password, _ := p.User.Password()
		basic(p.User.Username(), password)
		for _, values := range p.Query() {
			for _, v := range values {
				if len(v) >= shortestValue {
					add(v)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

var encodings = [...]*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding}

// forms returns how a text may be written: as it is, in a URL, in JSON, in hexadecimal and in
// base64, there with whatever comes after it.
func forms(s string) []string {
	all := []string{s, url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(s, "/", `\/`), hex.EncodeToString([]byte(s))}
	if quoted, err := json.Marshal(s); err == nil {
		all = append(all, string(quoted[1:len(quoted)-1]))
	}
	whole := s[:len(s)/3*3] // what follows changes what the rest is encoded as
	for _, encoding := range encodings {
		all = append(all, encoding.EncodeToString([]byte(s)))
		if len(whole) >= 2*shortestSecret {
			all = append(all, encoding.EncodeToString([]byte(whole)))
		}
	}
	return all
}

// Text returns what somebody said without the secrets, should it repeat any; also without the
// beginning of one at its end, where it may have been cut.
func Text(said string, secrets []string) string {
	for _, s := range secrets {
		said = strings.ReplaceAll(said, s, mask)
	}
	cut := 0
	for _, s := range secrets {
		for n := min(len(s)-1, len(said)); n >= shortestSecret && n > cut; n-- {
			if strings.HasSuffix(said, s[:n]) {
				cut = n
			}
		}
	}
	if cut == 0 {
		return said
	}
	return said[:len(said)-cut] + mask
}
