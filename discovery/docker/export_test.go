package docker

import (
	"context"
	"encoding/json"
	"net"
	"net/http"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/prometheus/prometheus/model/labels"
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

// Labels are those of each container's targets, made of an Engine's answers.
func Labels(cfg Config, containers, networks []byte) ([][]labels.Labels, error) {
	var list []container.Summary
	if err := json.Unmarshal(containers, &list); err != nil {
		return nil, err
	}
	var nets []network.Summary
	if err := json.Unmarshal(networks, &nets); err != nil {
		return nil, err
	}
	found := answer{all: map[string]container.Summary{}, networks: map[string]network.Summary{}}
	for _, c := range list {
		found.all[c.ID] = c
	}
	for _, n := range nets {
		found.networks[n.ID] = n
	}
	e := newExpander(cfg, "box", found, func(string) bool { return false })
	var sets [][]labels.Labels
	for _, c := range list {
		sets = append(sets, e.expand(c))
	}
	return sets, nil
}
