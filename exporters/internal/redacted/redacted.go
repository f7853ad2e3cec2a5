// Package redacted shows URLs without what must not be shown.
package redacted

import "net/url"

// URL returns u without user info and query, either of which may hold a token.
func URL(u string) string {
	p, err := url.Parse(u)
	if err != nil {
		return "<unusable URL>"
	}
	p.User, p.RawQuery, p.Fragment = nil, "", ""
	return p.String()
}
