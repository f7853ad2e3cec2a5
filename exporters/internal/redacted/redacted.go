// Package redacted shows URLs and text from outside without secrets.
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

// shortestSecret is the length of the shortest secret that is searched for in a text: shorter ones occur in
// ordinary words, too.
const shortestSecret = 4

// shortestValue is that length for a value in a URL's query, which need not be a secret.
const shortestValue = 8

// mask replaces a secret.
const mask = "<secret>"

// Secrets returns the credentials that a client that posts to u sends, including those for a proxy, in each
// form in which a response may repeat them. The longest come first, so that no part of one remains after
// another is replaced. headers are the values of further headers, which need not be secrets.
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
			return // the header contains only the user, which is not a secret
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

// forms returns the forms in which a text may occur: unchanged, in a URL, in JSON, in hexadecimal and in
// base64, the latter followed by any text.
func forms(s string) []string {
	all := []string{s, url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(s, "/", `\/`), hex.EncodeToString([]byte(s))}
	if quoted, err := json.Marshal(s); err == nil {
		all = append(all, string(quoted[1:len(quoted)-1]))
	}
	whole := s[:len(s)/3*3] // the encoding of the rest depends on what follows
	for _, encoding := range encodings {
		all = append(all, encoding.EncodeToString([]byte(s)))
		if len(whole) >= 2*shortestSecret {
			all = append(all, encoding.EncodeToString([]byte(whole)))
		}
	}
	return all
}

// Text returns the text of a response without the secrets in it. It also removes the beginning of a secret
// at its end, where it may have been cut.
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
