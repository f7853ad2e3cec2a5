package alloy

import (
	"errors"
	"net/url"
	"slices"
	"time"

	"lighter/config"
	"lighter/discovery/docker"
)

// DiscoveryDocker are the arguments of discovery.docker.
type DiscoveryDocker struct {
	Host               string         `alloy:"host,attr"`
	Port               int            `alloy:"port,attr,optional"`
	HostNetworkingHost string         `alloy:"host_networking_host,attr,optional"`
	RefreshInterval    time.Duration  `alloy:"refresh_interval,attr,optional"`
	MatchFirstNetwork  bool           `alloy:"match_first_network,attr,optional"`
	Filters            []DockerFilter `alloy:"filter,block,optional"`
	HTTP               HTTPClient     `alloy:",squash"`
}

// DockerFilter is a filter block of discovery.docker.
type DockerFilter struct {
	Name   string   `alloy:"name,attr"`
	Values []string `alloy:"values,attr"`
}

// SetToDefault sets Alloy's defaults.
func (a *DiscoveryDocker) SetToDefault() {
	*a = DiscoveryDocker{Port: 80, HostNetworkingHost: "localhost", RefreshInterval: time.Minute, MatchFirstNetwork: true}
	a.HTTP.SetToDefault()
}

// Validate refuses what Alloy refuses.
func (a *DiscoveryDocker) Validate() error {
	if err := checkDockerHost(a.Host); err != nil {
		return err
	}
	if a.RefreshInterval <= 0 {
		return errors.New("refresh_interval must be above 0")
	}
	return a.HTTP.Validate()
}

func checkDockerHost(host string) error {
	if host == "" {
		return errors.New(`host is empty; it is mostly "unix:///var/run/docker.sock"`)
	}
	if _, err := url.Parse(host); err != nil {
		return errors.New(`host is no URL, such as "unix:///var/run/docker.sock"`)
	}
	return nil
}

var discoveryDocker = kindOf(func(b *builder, a *DiscoveryDocker) map[string]any {
	c := engine(b, a.Host, a.HTTP)
	c.Refresh = a.RefreshInterval
	c.Port = a.Port
	c.HostAddr = a.HostNetworkingHost
	c.Networks = docker.FirstNetwork
	if !a.MatchFirstNetwork {
		c.Networks = docker.AllNetworks
	}
	c.Stopped = true // a log is read to its end; no scrape sees containers that do not run
	for _, f := range a.Filters {
		if c.Filters == nil {
			c.Filters = map[string][]string{}
		}
		c.Filters[f.Name] = append(c.Filters[f.Name], f.Values...)
		if f.Name == "status" {
			c.Stopped = slices.ContainsFunc(f.Values, func(status string) bool { return status != "running" && status != "paused" })
		}
	}
	node := b.add(config.Node{Name: b.name(""), Args: c})
	return map[string]any{"targets": []Target{{Node: node}}}
}, "targets")

// engine returns the settings with which an Engine is asked.
func engine(b *builder, host string, client HTTPClient) docker.Config {
	if !client.usesNone() {
		at := b.place()
		for _, name := range []string{"basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "tls_config", "proxy_url", "proxy_from_environment", "http_headers"} {
			if len(b.blocks(name)) > 0 {
				at = b.place(name)
			}
		}
		b.fail(at, "ask the Engine by its socket, or through a proxy that needs no authentication", "lighter cannot authenticate to an Engine yet")
	}
	c := docker.DefaultConfig()
	c.Name = b.entry.component.ID
	c.Host = host
	c.HostNameSet = b.l.Agent.Host != ""
	return c
}

// engineNode returns the name of a node that asks an Engine: that of a discovery that asks it already, or
// of a new one.
func (b *builder) engineNode(host string, client HTTPClient) string {
	for n, c := range config.All[docker.Config](b.l.plan) {
		if c.Host == host {
			return n.Name
		}
	}
	c := engine(b, host, client)
	c.Stopped = true
	c.Name = b.name("engine")
	return b.add(config.Node{Name: c.Name, Args: c})
}

// clientOf returns the settings of an optional block, or the defaults.
func clientOf(block *HTTPClient) HTTPClient {
	if block != nil {
		return *block
	}
	var c HTTPClient
	c.SetToDefault()
	return c
}
