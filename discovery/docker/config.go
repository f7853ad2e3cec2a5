package docker

import (
	"time"
)

// Config says which Engine to ask and what to make of its answers.
type Config struct {
	Name       string              // of the discovery in the plan
	Host       string              // unix:///var/run/docker.sock, tcp://host:2376, http://…
	APIVersion string              // empty negotiates at every connect
	CertPath   string              // directory of ca.pem, cert.pem, key.pem; empty is no TLS
	TLSVerify  bool                // whether the Engine's certificate is checked, when CertPath is set
	Refresh    time.Duration       // between two full lists, beside the events; 0 is 30 s
	Filters    map[string][]string // of the container list, as docker ps --filter
	Stopped    bool                // containers that do not run are targets too: their logs are read, they are not scraped
	Port       int                 // of a container that exposes none
	HostAddr   string              // the address of containers on the host's network
	Networks   NetworkChoice
}

// NetworkChoice says which of a container's networks become targets.
type NetworkChoice int

const (
	// FirstNetwork takes the first by name, as Prometheus's match_first_network.
	FirstNetwork NetworkChoice = iota
	// AllNetworks gives a target a network and port.
	AllNetworks
	// SharedNetwork takes the first by name that the agent's own container is on too; where
	// there is none, or the agent is in no container, the first by name.
	SharedNetwork
)

// DefaultConfig is what a plan starts from.
func DefaultConfig() Config {
	return Config{
		Host:     "unix:///var/run/docker.sock",
		Refresh:  30 * time.Second,
		Port:     80,
		HostAddr: "localhost",
	}
}
