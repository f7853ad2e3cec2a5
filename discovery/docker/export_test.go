package docker

import (
	"context"
	"net"
	"net/http"
)

// SetDial has the client reach its Engine another way.
func (c *Client) SetDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) {
	c.transport.DialContext = dial
}

// SetOwn says which container the client runs in.
func (c *Client) SetOwn(ids ...string) { c.own = ids }

// ReadOnly is the client's guard alone, before another transport.
func ReadOnly(base string, next http.RoundTripper) http.RoundTripper {
	return &readOnly{endpoint{base: base}, next}
}

// FindIDs is findIDs.
func FindIDs(hostname, mounts, groups string) []string { return findIDs(hostname, mounts, groups) }
