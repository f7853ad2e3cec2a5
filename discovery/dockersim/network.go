package dockersim

import "fmt"

// Network describes a network to create. Only Name is required.
type Network struct {
	Name     string
	Labels   map[string]string
	Scope    string // "local" if empty
	Internal bool
	Ingress  bool
}

type network struct {
	Network
	id     string
	subnet int // 172.subnet.0.0/16
	hosts  int // number of addresses that were assigned
}

// CreateNetwork creates a network and returns its id.
func (e *Engine) CreateNetwork(n Network) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.createNetworkLocked(n).id
}

func (e *Engine) createNetworkLocked(n Network) *network {
	if n.Scope == "" {
		n.Scope = "local"
	}
	made := &network{Network: n, id: e.newIDLocked("network " + n.Name), subnet: 17 + len(e.networks)}
	e.networks = append(e.networks, made)
	return made
}

func (e *Engine) networkLocked(name string) *network {
	for _, n := range e.networks {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// assignLocked creates the endpoint's network if it does not exist, and assigns an address to an
// endpoint that has none.
func (e *Engine) assignLocked(p *Endpoint) {
	n := e.networkLocked(p.Network)
	if n == nil {
		n = e.createNetworkLocked(Network{Name: p.Network})
	}
	if p.IP == "" && n.Name != "host" && n.Name != "none" {
		n.hosts++
		p.IP = fmt.Sprintf("172.%d.%d.%d", n.subnet, n.hosts/250, 1+n.hosts%250)
	}
}
