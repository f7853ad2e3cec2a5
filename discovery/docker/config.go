package docker

import "time"

// Config determines which Engine to use and which targets its containers become.
type Config struct {
	Name       string              // of the discovery in the plan
	Host       string              // unix:///var/run/docker.sock, tcp://host:2376, http://…
	APIVersion string              // of the requests; if empty, it is negotiated at every connect
	CertPath   string              // directory of ca.pem, cert.pem and key.pem; TLS is not used if it is empty
	TLSVerify  bool                // whether the Engine's certificate is checked, if CertPath is set
	Refresh    time.Duration       // between two full lists of containers, in addition to events; 0 means 30 s
	Filters    map[string][]string // of the containers, as in docker ps --filter
	Stopped    bool                // whether stopped containers are targets too; their logs are read, but they are not scraped
	Port       int                 // of a container that exposes no port
	HostAddr   string              // address of containers on the host's network; if empty, the address at which the agent reaches the host
	Networks   NetworkChoice

	HostNameSet bool // whether the settings name the host, so that the Engine need not be asked
}

// NetworkChoice selects the networks of a container that become targets.
type NetworkChoice int

const (
	// FirstNetwork selects the first network by name, like Prometheus's match_first_network.
	FirstNetwork NetworkChoice = iota
	// AllNetworks selects every network.
	AllNetworks
	// SharedNetwork selects the first network by name that the agent's own container is also on. It is like
	// FirstNetwork if there is none, or if the agent is not in a container.
	SharedNetwork
)

// DefaultConfig returns the Config of a plan without settings.
func DefaultConfig() Config {
	return Config{
		Host:    "unix:///var/run/docker.sock",
		Refresh: 30 * time.Second,
		Port:    80,
	}
}
