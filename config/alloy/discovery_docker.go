package alloy

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grafana/alloy/syntax/ast"

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

// Validate reports the errors that Alloy reports.
func (a *DiscoveryDocker) Validate() error {
	if err := checkDockerHost("host", a.Host); err != nil {
		return err
	}
	if a.RefreshInterval <= 0 {
		return errors.New("refresh_interval must be above 0")
	}
	return a.HTTP.Validate()
}

// checkDockerHost returns an error if host is not a valid address of an Engine. name is the name of the argument.
func checkDockerHost(name, host string) error {
	u, err := url.Parse(host)
	switch {
	case host == "": // engine reports it
		return nil
	case err == nil && slices.Contains([]string{"unix", "tcp", "http", "https"}, u.Scheme):
		return nil
	case strings.HasPrefix(host, "/"):
		return fmt.Errorf("%s has no scheme; write %q", name, "unix://"+host)
	}
	return fmt.Errorf("%s must begin with unix://, tcp://, http:// or https://, such as %s", name, usualHost)
}

const usualHost = `"unix:///var/run/docker.sock"`

var discoveryDocker = kindOf(func(b *builder, a *DiscoveryDocker) map[string]any {
	c := b.engine(a.Host, a.HTTP, b.block())
	c.Refresh = a.RefreshInterval
	c.Port = a.Port
	c.HostAddr = a.HostNetworkingHost
	c.Networks = docker.FirstNetwork
	if !a.MatchFirstNetwork {
		c.Networks = docker.AllNetworks
	}
	c.Stopped = true // logs are read to their end; containers that do not run are never scraped
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
}, "targets").without(engineNoEffect("")).refusing(engineRefused("")).but(engineBut("", map[string]string{
	"refresh_interval": "the Engine reports changes of containers at once; this is how often all containers are listed in addition",
}))

// engineBut adds to the notes about a component's arguments what is different for TLS to an Engine.
func engineBut(prefix string, all map[string]string) map[string]string {
	for _, name := range []string{"ca_pem", "cert_pem", "key_pem", "server_name", "min_version"} {
		all[prefix+"tls_config."+name] = "refused; put ca.pem, cert.pem and key.pem into one directory, and write ca_file, cert_file and key_file"
	}
	return all
}

// engineNoEffect and engineRefused return the arguments of a client that have no effect, and those that are
// refused, if the client asks an Engine. prefix is the path of the client's block.
func engineNoEffect(prefix string) map[string]string {
	return map[string]string{
		prefix + "follow_redirects": "an Engine does not redirect",
		prefix + "enable_http2":     "lighter talks to an Engine over HTTP/1.1",
	}
}

func engineRefused(prefix string) map[string]string {
	refused := map[string]string{}
	for _, name := range []string{
		"basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "http_headers",
		"proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header",
	} {
		refused[prefix+name] = "connect to the Engine through its socket, with TLS, or through a proxy that is the host and needs no password"
	}
	return refused
}

// engine returns the settings of the connection to an Engine. at is the block with the settings of the client.
func (b *builder) engine(host string, client HTTPClient, at *ast.BlockStmt) docker.Config {
	c := docker.DefaultConfig()
	if host == "" {
		host = UnsetHost
		argument := "host"
		if b.entry.component.Name == "prometheus.exporter.cadvisor" {
			argument = "docker_host"
		}
		b.l.complain(b.place(argument), argument, valueOf(b.block(), argument), "", "it is empty; the usual value is "+usualHost)
	}
	c.Host = host
	c.HostNameSet = true // no label of Alloy's discovery contains the host name
	tls := client.TLS
	if tls == (TLS{}) {
		return c
	}
	c.CertPath = filepath.Dir(tls.CAFile)
	c.TLSVerify = !tls.InsecureSkipVerify
	for name, file := range map[string]string{"ca.pem": tls.CAFile, "cert.pem": tls.CertFile, "key.pem": tls.KeyFile} {
		if file == "" || file != filepath.Join(c.CertPath, name) {
			b.fail(placeIn(at, "tls_config"), "put them into one directory with those names, and write ca_file, cert_file and key_file", "the certificates for an Engine must be files called ca.pem, cert.pem and key.pem in one directory")
			break
		}
	}
	if tls.ServerName != "" || tls.MinVersion != 0 {
		b.fail(placeIn(at, "tls_config"), "remove them", "lighter does not support server_name and min_version for an Engine")
	}
	return c
}

// engineNode returns the name of a node that asks an Engine: a discovery of the plan that asks it already, or
// a new node. If whole is set, the node finds all containers.
func (b *builder) engineNode(c docker.Config, whole bool) string {
	for n, other := range config.All[docker.Config](b.l.plan) {
		if other.Host == c.Host && other.CertPath == c.CertPath && other.TLSVerify == c.TLSVerify && !(whole && len(other.Filters) > 0) {
			return n.Name
		}
	}
	c.Stopped = true
	return b.add(config.Node{Name: b.name("engine"), Args: c})
}

// clientOf returns the settings of an optional block, or the defaults if it is nil.
func clientOf(block *HTTPClient) HTTPClient {
	if block != nil {
		return *block
	}
	var c HTTPClient
	c.SetToDefault()
	return c
}
