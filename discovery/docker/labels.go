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

// expander makes the labels of one answer's containers.
type expander struct {
	cfg    Config
	host   string // the Engine's name of its host
	found  answer
	shared map[string]bool // ids of the networks of the agent's own container
}

func newExpander(cfg Config, host string, found answer, isSelf func(id string) bool) *expander {
	e := &expander{cfg: cfg, host: host, found: found, shared: map[string]bool{}}
	for id, c := range found.all {
		if cfg.Networks == SharedNetwork && isSelf(id) {
			for _, n := range e.networks(c) {
				e.shared[n.NetworkID] = true
			}
		}
	}
	return e
}

// expand returns the labels of a container's targets, at least one: an address for each
// TCP port on each chosen network. It is what Prometheus gives, but for three things. A
// port that is published on an IPv4 and an IPv6 address is one target and not two. A
// container without an address, because it does not run or has no network, is one target
// without an address, for its log. The Engine's name of its host is added.
func (e *expander) expand(c container.Summary) []labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	SetLabels(b, c.ID, nameOf(c), c.HostConfig.NetworkMode, c.Labels)
	b.Set(lighter.LabelDockerHost, e.host)
	common := b.Labels()

	chosen := e.choose(e.networks(c))
	var all []labels.Labels
	for _, n := range chosen {
		all = append(all, e.on(n, c, common)...)
	}
	if len(all) > 0 {
		return all
	}
	if len(chosen) > 0 {
		e.setNetwork(b, chosen[0])
	}
	return []labels.Labels{b.Labels()}
}

// SetLabels sets the labels that say what a container is, wherever it was found. The name has
// its leading slash; own are the labels that it was given.
func SetLabels(b *labels.Builder, id, name, networkMode string, own map[string]string) {
	b.Set(labelID, id)
	b.Set(labelName, name)
	b.Set(labelNetworkMode, networkMode)
	setAll(b, prefixLabel, own)
}

// on returns the labels of a container's targets on one network; none if it has no address there.
func (e *expander) on(n attachment, c container.Summary, common labels.Labels) []labels.Labels {
	ip := cmp.Or(n.IPAddress, n.GlobalIPv6Address)
	onHost := c.HostConfig.NetworkMode == "host"
	if !isRunning(c) || ip == "" && !onHost {
		return nil
	}
	b := labels.NewBuilder(common)
	e.setNetwork(b, n)
	b.Set(labelNetworkIP, ip)
	ports := tcpPorts(c.Ports)
	if len(ports) == 0 {
		address := net.JoinHostPort(ip, strconv.Itoa(e.cfg.Port))
		if onHost {
			address = e.cfg.HostAddr
		}
		return []labels.Labels{b.Set(labelAddress, address).Labels()}
	}
	all := make([]labels.Labels, 0, len(ports))
	for _, p := range ports {
		private := strconv.Itoa(int(p.PrivatePort))
		b.Set(labelAddress, net.JoinHostPort(ip, private))
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

func (e *expander) setNetwork(b *labels.Builder, n attachment) {
	b.Set(labelNetworkID, n.NetworkID)
	b.Set(labelNetworkName, n.network)
	s, ok := e.found.networks[n.NetworkID]
	if !ok {
		return // the list is refused, or the network was made since
	}
	b.Set(labelNetworkScope, s.Scope)
	b.Set(labelNetworkInternal, strconv.FormatBool(s.Internal))
	b.Set(labelNetworkIngress, strconv.FormatBool(s.Ingress))
	setAll(b, prefixNetworkLabel, s.Labels)
}

// attachment is a container's place on a network.
type attachment struct {
	network string // name
	*network.EndpointSettings
}

// networks returns a container's networks by name. One that shares the network of another
// container (network_mode: service:x) has those of that one, or of whom that one shares with.
func (e *expander) networks(c container.Summary) []attachment {
	for range e.found.all { // a chain is not longer than that, unless it is a ring
		if c.NetworkSettings != nil && len(c.NetworkSettings.Networks) > 0 {
			break
		}
		other, ok := strings.CutPrefix(c.HostConfig.NetworkMode, "container:")
		if !ok {
			return nil
		}
		if c, ok = e.found.all[other]; !ok {
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

// choose returns those that become targets.
func (e *expander) choose(networks []attachment) []attachment {
	if e.cfg.Networks == AllNetworks || len(networks) < 2 {
		return networks
	}
	for i, n := range networks {
		if e.shared[n.NetworkID] { // empty unless that is what is asked for
			return networks[i : i+1]
		}
	}
	return networks[:1]
}

// tcpPorts returns a container's TCP ports in order, a published one once, whatever the
// addresses of the host that it is published on.
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

// setAll sets a label for each of names, whose characters that a label cannot have become
// underscores. Of two that become the same the last in order is taken.
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
