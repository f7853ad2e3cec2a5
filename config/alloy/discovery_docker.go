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

// Validate refuses what Alloy refuses.
func (a *DiscoveryDocker) Validate() error {
	if err := checkDockerHost("host", a.Host); err != nil {
		return err
	}
	if a.RefreshInterval <= 0 {
		return errors.New("refresh_interval must be above 0")
	}
	return a.HTTP.Validate()
}

// checkDockerHost refuses what is no address of an Engine. name is that of the argument.
func checkDockerHost(name, host string) error {
	u, err := url.Parse(host)
	switch {
	case host == "": // which engine refuses
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
}, "targets").without(engineNoEffect("")).refusing(engineRefused("")).but(engineBut("", map[string]string{
	"refresh_interval": "the Engine tells of a container at once; this is how often all of them are listed beside that",
}))

// engineBut adds to what is said of a component's arguments what is different with TLS to an Engine.
func engineBut(prefix string, all map[string]string) map[string]string {
	for _, name := range []string{"ca_pem", "cert_pem", "key_pem", "server_name", "min_version"} {
		all[prefix+"tls_config."+name] = "refused; put ca.pem, cert.pem and key.pem into one directory, and write ca_file, cert_file and key_file"
	}
	return all
}

// engineNoEffect and engineRefused say which arguments of a client mean nothing, and which cannot be taken,
// where an Engine is asked. prefix is the path of the client's block.
func engineNoEffect(prefix string) map[string]string {
	return map[string]string{
		prefix + "follow_redirects": "an Engine redirects to nowhere",
		prefix + "enable_http2":     "an Engine is asked by HTTP/1.1",
	}
}

func engineRefused(prefix string) map[string]string {
	refused := map[string]string{}
	for _, name := range []string{
		"basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "http_headers",
		"proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header",
	} {
		refused[prefix+name] = "ask the Engine by its socket, by TLS, or through a proxy that is named as host and needs no password"
	}
	return refused
}

// engine returns the settings with which an Engine is asked. at is the block that has those of the client.
func (b *builder) engine(host string, client HTTPClient, at *ast.BlockStmt) docker.Config {
	c := docker.DefaultConfig()
	if host == "" {
		host = UnsetHost
		argument := "host"
		if b.entry.component.Name == "prometheus.exporter.cadvisor" {
			argument = "docker_host"
		}
		b.l.complain(b.place(argument), argument, valueOf(b.block(), argument), "", "it is empty; mostly it is "+usualHost)
	}
	c.Host = host
	c.HostNameSet = true // no label of Alloy's discovery has it
	tls := client.TLS
	if tls == (TLS{}) {
		return c
	}
	c.CertPath = filepath.Dir(tls.CAFile)
	c.TLSVerify = !tls.InsecureSkipVerify
	for name, file := range map[string]string{"ca.pem": tls.CAFile, "cert.pem": tls.CertFile, "key.pem": tls.KeyFile} {
		if file == "" || file != filepath.Join(c.CertPath, name) {
			b.fail(placeIn(at, "tls_config"), "put them into one directory by those names, and write ca_file, cert_file and key_file", "lighter takes the certificates for an Engine from files that are called ca.pem, cert.pem and key.pem")
			break
		}
	}
	if tls.ServerName != "" || tls.MinVersion != 0 {
		b.fail(placeIn(at, "tls_config"), "leave them out", "lighter takes no server_name and no min_version for an Engine")
	}
	return c
}

// engineNode returns the name of a node that asks an Engine: that of a discovery that asks it already, or
// of a new one. whole wants one that finds all containers.
func (b *builder) engineNode(c docker.Config, whole bool) string {
	for n, other := range config.All[docker.Config](b.l.plan) {
		if other.Host == c.Host && other.CertPath == c.CertPath && other.TLSVerify == c.TLSVerify && !(whole && len(other.Filters) > 0) {
			return n.Name
		}
	}
	c.Stopped = true
	return b.add(config.Node{Name: b.name("engine"), Args: c})
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
