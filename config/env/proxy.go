package env

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"lighter"
)

// Proxies are the proxies for requests to backends. Requests to the Engine and to scrape targets never use
// a proxy.
type Proxies struct {
	HTTPS, HTTP lighter.Secret // URLs for backends with https:// and http:// URLs; empty means none; they may hold a password
	No          string         // hosts without a proxy, as in NO_PROXY
}

// of returns the URL of the proxy for a backend, chosen like Go's own clients do, or "" for none. Loopback
// addresses have none.
func (p Proxies) of(b Backend) lighter.Secret {
	u, err := url.Parse(b.URL)
	if err != nil {
		return "" // the URL has been parsed before
	}
	c := httpproxy.Config{HTTPSProxy: p.HTTPS.Reveal(), HTTPProxy: p.HTTP.Reveal(), NoProxy: p.No}
	proxy, err := c.ProxyFunc()(u)
	if err != nil || proxy == nil {
		return ""
	}
	return lighter.Secret(proxy.String())
}

// parseProxy parses what Go's own clients accept: host:port is an HTTP proxy.
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
