// Package dns finds targets in DNS records, as Alloy's discovery.dns and Prometheus's DNS discovery do.
//
// A target has the labels __meta_dns_name and, by the type of its record, __meta_dns_srv_record_target,
// __meta_dns_srv_record_port, __meta_dns_mx_record_target or __meta_dns_ns_record_target. A name that does not exist,
// or that has no such records, has no targets; while a lookup fails, a name keeps its last targets.
//
// Names are looked up by the Go runtime, which, unlike Prometheus, also reads /etc/hosts for addresses.
package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter"
	"lighter/discovery"
)

// The types of records that can be looked up.
const (
	SRV  = "SRV"
	A    = "A"
	AAAA = "AAAA"
	MX   = "MX"
	NS   = "NS"
)

// Config says which records to look up.
type Config struct {
	Names           []string
	RefreshInterval time.Duration
	Type            string // in upper or lower case
	Port            int    // of the targets; SRV records have their own
}

// DefaultConfig returns the Config of a discovery that sets only names.
func DefaultConfig() Config { return Config{RefreshInterval: 30 * time.Second, Type: SRV} }

// Validate reports what is wrong with the Config.
func (c Config) Validate() error {
	switch kind := strings.ToUpper(c.Type); kind {
	case SRV:
	case A, AAAA, MX, NS:
		if c.Port <= 0 || c.Port > 65535 {
			return fmt.Errorf("%s records have no port, so discovery by DNS needs a port, and %d is not a valid one", kind, c.Port)
		}
	default:
		return fmt.Errorf("%q is not one of the types of DNS records SRV, A, AAAA, MX and NS", c.Type)
	}
	if len(c.Names) == 0 {
		return errors.New("discovery by DNS needs at least one name")
	}
	return nil
}

const (
	nameLabel      = "__meta_dns_name"
	srvTargetLabel = "__meta_dns_srv_record_target"
	srvPortLabel   = "__meta_dns_srv_record_port"
	mxLabel        = "__meta_dns_mx_record_target"
	nsLabel        = "__meta_dns_ns_record_target"
)

// lookupTimeout is the time limit for looking up one name.
const lookupTimeout = 10 * time.Second

// Resolver looks up records for a Discoverer. net.Resolver implements it.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
}

// Discoverer looks up the records of names. Run may be called once.
type Discoverer struct {
	cfg      Config
	resolver Resolver
	logger   *slog.Logger
	names    []known
}

// known is the result of the last lookup of a name.
type known struct {
	name    string
	told    bool
	targets []lighter.Target
	lookups lighter.Failures
}

// New returns a Discoverer that does nothing until Run. If resolver is nil, it uses the resolver of the system.
func New(cfg Config, resolver Resolver, logger *slog.Logger) *Discoverer {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	if cfg.RefreshInterval <= 0 {
		cfg.RefreshInterval = DefaultConfig().RefreshInterval
	}
	cfg.Type = strings.ToUpper(cfg.Type)
	d := &Discoverer{cfg: cfg, resolver: resolver, logger: logger}
	for _, name := range cfg.Names {
		d.names = append(d.names, known{name: name})
	}
	return d
}

// Run implements discovery.Source. Targets are known when each name has been looked up, at least one of them
// successfully.
func (d *Discoverer) Run(ctx context.Context, update func([]lighter.Target)) error {
	return discovery.Refresh(ctx, d.cfg.RefreshInterval, d.refresh, update)
}

func (d *Discoverer) refresh(ctx context.Context) (targets []lighter.Target, ok bool) {
	var asking sync.WaitGroup
	for i := range d.names {
		asking.Go(func() { d.ask(ctx, &d.names[i]) })
	}
	asking.Wait()
	for _, k := range d.names {
		ok = ok || k.told
		targets = append(targets, k.targets...)
	}
	return targets, ok
}

// ask looks a name up and updates what is known of it.
func (d *Discoverer) ask(ctx context.Context, k *known) {
	timed, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	targets, err := d.lookup(timed, k.name)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		targets, err = nil, nil
	}
	if ctx.Err() != nil {
		return
	}
	if k.lookups.Set(err) {
		if err != nil {
			d.logger.Error("targets cannot be looked up in DNS: the last targets of the name are kept", "name", k.name, "type", d.cfg.Type, "error", err)
		} else {
			d.logger.Info("targets can be looked up in DNS again", "name", k.name, "type", d.cfg.Type)
		}
	}
	if err == nil {
		k.told, k.targets = true, targets
	}
}

func (d *Discoverer) lookup(ctx context.Context, name string) (targets []lighter.Target, err error) {
	b := labels.NewBuilder(labels.EmptyLabels())
	// add adds a target at a host, whose name ends with a dot.
	add := func(host string, port int, more ...string) {
		b.Reset(labels.EmptyLabels())
		b.Set("__address__", net.JoinHostPort(strings.TrimRight(host, "."), strconv.Itoa(port)))
		b.Set(nameLabel, name)
		for i := 0; i < len(more); i += 2 {
			b.Set(more[i], more[i+1])
		}
		targets = append(targets, lighter.Target{Labels: b.Labels()})
	}
	switch d.cfg.Type {
	case A, AAAA:
		network := "ip4"
		if d.cfg.Type == AAAA {
			network = "ip6"
		}
		found, err := d.resolver.LookupNetIP(ctx, network, name)
		for _, a := range found {
			add(a.Unmap().String(), d.cfg.Port)
		}
		return targets, err
	case MX:
		found, err := d.resolver.LookupMX(ctx, name)
		for _, mx := range found {
			add(mx.Host, d.cfg.Port, mxLabel, mx.Host)
		}
		return targets, partial(len(found), err)
	case NS:
		found, err := d.resolver.LookupNS(ctx, name)
		for _, ns := range found {
			add(ns.Host, d.cfg.Port, nsLabel, ns.Host)
		}
		return targets, partial(len(found), err)
	}
	_, found, err := d.resolver.LookupSRV(ctx, "", "", name)
	for _, srv := range found {
		add(srv.Target, int(srv.Port), srvTargetLabel, srv.Target, srvPortLabel, strconv.Itoa(int(srv.Port)))
	}
	return targets, partial(len(found), err)
}

// partial returns nil if some records were found: the resolver omits records whose names are not valid, and
// returns an error about them.
func partial(found int, err error) error {
	if found > 0 {
		return nil
	}
	return err
}
