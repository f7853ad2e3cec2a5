package docker

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// The labels of Prometheus's Docker discovery.
const (
	labelAddress     = "__address__"
	labelID          = "__meta_docker_container_id"
	labelName        = "__meta_docker_container_name"
	labelNetworkMode = "__meta_docker_container_network_mode"
	prefixLabel      = "__meta_docker_container_label_"

	labelNetworkID       = "__meta_docker_network_id"
	labelNetworkName     = "__meta_docker_network_name"
	labelNetworkScope    = "__meta_docker_network_scope"
	labelNetworkInternal = "__meta_docker_network_internal"
	labelNetworkIngress  = "__meta_docker_network_ingress"
	labelNetworkIP       = "__meta_docker_network_ip"
	prefixNetworkLabel   = "__meta_docker_network_label_"

	labelPortPrivate  = "__meta_docker_port_private"
	labelPortPublic   = "__meta_docker_port_public"
	labelPortPublicIP = "__meta_docker_port_public_ip"
)

// hostNetwork is the name of the network of containers with network_mode: host.
const hostNetwork = "host"

// expander makes the labels of the targets of listed containers.
type expander struct {
	cfg    Config
	host   string // the Engine's name of its host
	listed list
	shared map[string]bool // IDs of the networks of the agent's own container; empty unless the configuration requires them

	hostAddr string // the address at which the agent reaches the host's network
}

// newExpander returns an expander. ownsNetwork reports whether a container owns the network that the agent
// is on.
func newExpander(cfg Config, host string, listed list, ownsNetwork func(id string) bool) *expander {
	e := &expander{cfg: cfg, host: host, listed: listed, shared: map[string]bool{}}
	var own []attachment
	for id, c := range listed.all {
		if ownsNetwork(id) {
			own = append(own, e.networks(c)...)
		}
	}
	if cfg.Networks == SharedNetwork {
		for _, n := range own {
			e.shared[n.NetworkID] = true
		}
	}
	e.hostAddr = cmp.Or(cfg.HostAddr, e.gateway(own))
	return e
}

// gateway returns the address of the host for an agent whose container is on the networks own, which are
// empty if the agent is not in a container that the Engine knows. On a bridge, the gateway is the host. On
// networks of another kind it is not, and the agent's container needs a name for the host (docker run
// --add-host host.docker.internal:host-gateway).
func (e *expander) gateway(own []attachment) string {
	if len(own) == 0 || slices.ContainsFunc(own, func(n attachment) bool { return n.network == hostNetwork }) {
		return "localhost"
	}
	for _, n := range own {
		gateway := cmp.Or(n.Gateway, n.IPv6Gateway)
		if s, known := e.listed.networks[n.NetworkID]; gateway != "" && (!known || s.Driver == "bridge") {
			return gateway
		}
	}
	return "host.docker.internal"
}

// expand returns the labels of a container's targets: one target for each TCP port on each chosen network,
// and at least one. The labels are those of Prometheus's Docker discovery, with three differences. A port
// that is published on an IPv4 and on an IPv6 address is one target, not two. A container without an
// address, because it does not run or has no network, is one target without an address, for its log. An
// additional label contains the Engine's name of its host.
func (e *expander) expand(c container.Summary) []labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	SetLabels(b, c.ID, nameOf(c), c.HostConfig.NetworkMode, c.Labels)
	b.Set(lighter.LabelDockerHost, e.host)
	common := b.Labels()

	chosen := e.choose(e.networks(c))
	var all []labels.Labels
	for _, n := range chosen {
		all = append(all, e.expandOn(n, c, common)...)
	}
	if len(all) > 0 {
		return all
	}
	if len(chosen) > 0 {
		e.setNetwork(b, chosen[0])
	}
	return []labels.Labels{b.Labels()}
}

// SetLabels sets the labels that describe a container and do not depend on its networks. The name has
// its leading slash; own are the container's own labels.
func SetLabels(b *labels.Builder, id, name, networkMode string, own map[string]string) {
	b.Set(labelID, id)
	b.Set(labelName, name)
	b.Set(labelNetworkMode, networkMode)
	setAll(b, prefixLabel, own)
}

// expandOn returns the labels of a container's targets on one network. There are none if the
// container has no address on it.
func (e *expander) expandOn(n attachment, c container.Summary, common labels.Labels) []labels.Labels {
	ip := cmp.Or(n.IPAddress, n.GlobalIPv6Address)
	onHost := n.network == hostNetwork // also if the container shares the network of one on the host's network
	if !isRunning(c) || ip == "" && !onHost {
		return nil
	}
	address := ip
	if onHost {
		address = e.hostAddr
	}
	b := labels.NewBuilder(common)
	e.setNetwork(b, n)
	b.Set(labelNetworkIP, ip)
	ports := tcpPorts(c.Ports)
	if len(ports) == 0 {
		if onHost {
			address = bracketed(address) // without a port, because it is unknown which port of the host it would be
		} else {
			address = net.JoinHostPort(ip, strconv.Itoa(e.cfg.Port))
		}
		return []labels.Labels{b.Set(labelAddress, address).Labels()}
	}
	all := make([]labels.Labels, 0, len(ports))
	for _, p := range ports {
		private := strconv.Itoa(int(p.PrivatePort))
		b.Set(labelAddress, net.JoinHostPort(address, private))
		b.Set(labelPortPrivate, private)
		b.Del(labelPortPublic, labelPortPublicIP)
		if p.PublicPort > 0 {
			b.Set(labelPortPublic, strconv.Itoa(int(p.PublicPort)))
			b.Set(labelPortPublicIP, p.IP)
		}
		all = append(all, b.Labels())
	}
	return all
}

// bracketed returns a host as written in an address: an IPv6 address is in brackets.
func bracketed(host string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}

func (e *expander) setNetwork(b *labels.Builder, n attachment) {
	b.Set(labelNetworkID, n.NetworkID)
	b.Set(labelNetworkName, n.network)
	s, ok := e.listed.networks[n.NetworkID]
	if !ok {
		return // the Engine does not list networks, or listed them before this one was created
	}
	b.Set(labelNetworkScope, s.Scope)
	b.Set(labelNetworkInternal, strconv.FormatBool(s.Internal))
	b.Set(labelNetworkIngress, strconv.FormatBool(s.Ingress))
	setAll(b, prefixNetworkLabel, s.Labels)
}

// attachment is the attachment of a container to a network.
type attachment struct {
	network string // name
	*network.EndpointSettings
}

// networks returns the networks that a container is on, sorted by name. A container that shares the network
// of another one (network_mode: service:x) is on the networks of that container, which may in turn share
// the network of a third.
func (e *expander) networks(c container.Summary) []attachment {
	for range e.listed.all { // a chain of sharing containers cannot be longer than the number of containers
		if c.NetworkSettings != nil && len(c.NetworkSettings.Networks) > 0 {
			break
		}
		other, ok := strings.CutPrefix(c.HostConfig.NetworkMode, "container:")
		if !ok {
			return nil
		}
		if c, ok = e.listed.all[other]; !ok {
			return nil
		}
	}
	if c.NetworkSettings == nil {
		return nil
	}
	var all []attachment
	for _, name := range slices.Sorted(maps.Keys(c.NetworkSettings.Networks)) {
		if n := c.NetworkSettings.Networks[name]; n != nil {
			all = append(all, attachment{name, n})
		}
	}
	return all
}

// choose returns the networks of a container that become targets.
func (e *expander) choose(networks []attachment) []attachment {
	if e.cfg.Networks == AllNetworks || len(networks) < 2 {
		return networks
	}
	for i, n := range networks {
		if e.shared[n.NetworkID] {
			return networks[i : i+1]
		}
	}
	return networks[:1]
}

// tcpPorts returns a container's TCP ports in order. A port that is published on several addresses of the
// host is returned once.
func tcpPorts(ports []container.Port) []container.Port {
	ports = slices.DeleteFunc(slices.Clone(ports), func(p container.Port) bool { return p.Type != "tcp" })
	slices.SortFunc(ports, func(a, b container.Port) int {
		return cmp.Or(
			cmp.Compare(a.PrivatePort, b.PrivatePort), cmp.Compare(a.PublicPort, b.PublicPort),
			cmp.Compare(strings.Count(a.IP, ":"), strings.Count(b.IP, ":")), strings.Compare(a.IP, b.IP)) // IPv4 first
	})
	return slices.CompactFunc(ports, func(a, b container.Port) bool {
		return a.PrivatePort == b.PrivatePort && a.PublicPort == b.PublicPort
	})
}

// setAll sets a label for each of values. Characters that a label name cannot contain become underscores.
// If two names become the same, the last one in order wins.
func setAll(b *labels.Builder, prefix string, values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		b.Set(prefix+sanitise(name), values[name])
	}
}

func sanitise(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, name)
}
