package docker

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/prometheus/prometheus/model/labels"
)

// SetDial replaces the function by which the client connects to its Engine.
func (c *Client) SetDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) {
	c.transport.DialContext = dial
}

// MayUseProxy reports whether the client's transport uses the proxy settings at all. A test cannot set a
// proxy, because net/http reads the environment once per process.
func (c *Client) MayUseProxy() bool { return c.transport.Proxy != nil }

// SetOwn sets the IDs of the container that the client runs in.
func (c *Client) SetOwn(ids ...string) { c.self = Self{ids: ids} }

// ReadOnly returns the client's guard in front of another transport.
func ReadOnly(base string, next http.RoundTripper) http.RoundTripper {
	return &readOnly{endpoint{base: base}, next}
}

// Labels returns the labels of the targets of each container for an Engine's responses. own are the IDs of
// the agent's container.
func Labels(cfg Config, containers, networks []byte, own ...string) ([][]labels.Labels, error) {
	var all []container.Summary
	if err := json.Unmarshal(containers, &all); err != nil {
		return nil, err
	}
	var nets []network.Summary
	if err := json.Unmarshal(networks, &nets); err != nil {
		return nil, err
	}
	listed := list{all: map[string]container.Summary{}, networks: map[string]network.Summary{}}
	for _, c := range all {
		listed.all[c.ID] = c
	}
	for _, n := range nets {
		listed.networks[n.ID] = n
	}
	e := newExpander(cfg, "box", listed, func(id string) bool { return slices.Contains(own, id) })
	var sets [][]labels.Labels
	for _, c := range all {
		sets = append(sets, e.expand(c))
	}
	return sets, nil
}

// GroupAdvice is groupAdvice.
func GroupAdvice(gid uint32, uidMap string) string { return groupAdvice(gid, uidMap) }

// SetProcess sets what the client's process sees of its container.
func (c *Client) SetProcess(hostname, mounts, groups string) {
	c.self = FindSelf(hostname, mounts, groups)
}

// Dial opens a connection to the Engine as the client does.
func (c *Client) Dial(ctx context.Context) (net.Conn, error) {
	return c.transport.DialContext(ctx, "", "")
}
