package web

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// hosts decides by the Host header of a request whether the request is meant for this server. It protects
// from DNS rebinding: a browser opens a page of evil.example, whose name is then changed to resolve to this
// server. The browser still sends evil.example in Host, and must get no response, because the page could
// read it.
type hosts struct {
	names   []string // in lower case
	network bool     // whether other machines can connect
}

// newHosts returns a hosts that accepts the given names, the machine's own name, loopback names and
// addresses.
func newHosts(names []string) hosts {
	var h hosts
	for _, name := range names {
		h.add(name)
	}
	if own, err := os.Hostname(); err == nil {
		h.add(own)
	}
	return h
}

func (h *hosts) add(name string) {
	if name != "" {
		h.names = append(h.names, strings.ToLower(strings.TrimSuffix(name, ".")))
	}
}

// listen adds the host name in the configured listen address, if it has one. ip is the address on which the
// server listens.
func (h *hosts) listen(given string, ip net.IP) {
	if name, _, err := net.SplitHostPort(given); err == nil {
		h.add(name)
	}
	h.network = !ip.IsLoopback()
}

// accepts reports whether a request with the given Host header is served. A request without the header is,
// because old health checks send none and every browser does. If other machines can connect, a name without
// a dot is accepted, too, such as lighter in http://lighter:12345/metrics: it is the name of a container or
// machine in the local network, and nobody can register it for a site.
func (h *hosts) accepts(host string) bool {
	if host == "" {
		return true
	}
	name := strings.ToLower(strings.TrimSuffix((&url.URL{Host: host}).Hostname(), "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(h.names, name) {
		return true
	}
	return h.network && name != "" && !strings.Contains(name, ".")
}
