package env

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"lighter"
)

// Proxies are those that backends are reached through. The Engine and scrape targets are
// always asked directly.
type Proxies struct {
	HTTPS, HTTP lighter.Secret // URLs, for backends with an https:// or http:// URL; empty is none. They may hold a password
	No          string         // hosts that are asked directly, as in NO_PROXY
}

// of returns the URL of the proxy for a backend, as Go's own clients choose it; empty is none.
// Loopback addresses have none.
func (p Proxies) of(b Backend) lighter.Secret {
	u, err := url.Parse(b.URL)
	if err != nil {
		return "" // a backend's URL has been parsed before
	}
	c := httpproxy.Config{HTTPSProxy: p.HTTPS.Reveal(), HTTPProxy: p.HTTP.Reveal(), NoProxy: p.No}
	proxy, err := c.ProxyFunc()(u)
	if err != nil || proxy == nil {
		return ""
	}
	return lighter.Secret(proxy.String())
}

// parseProxy takes what Go's own clients take: host:port is a proxy that speaks HTTP.
func parseProxy(v string) (lighter.Secret, error) {
	if !strings.Contains(v, "://") {
		v = "http://" + v
	}
	u, err := url.Parse(v)
	if err != nil || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) || u.Hostname() == "" ||
		strings.HasSuffix(u.Host, ":") || u.Port() != "" && !isPort(u.Port()) || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" {
		return "", errors.New("want a proxy such as http://host:port or http://user:password@host:port, with %XX for what is special in the password; https:// and socks5:// are others")
	}
	u.Path, u.RawPath = "", ""
	return lighter.Secret(u.String()), nil
}
