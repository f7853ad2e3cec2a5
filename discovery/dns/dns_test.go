package dns_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lighter"
	"lighter/discovery/dns"
)

// resolver answers from its fields.
type resolver struct {
	mu   sync.Mutex
	fail error // for the name flaky
}

func (r *resolver) failWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

var notFound = &net.DNSError{Err: "no such host", IsNotFound: true}

func (r *resolver) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.fail != nil && host == "flaky":
		return nil, r.fail
	case host == "unknown":
		return nil, notFound
	case network == "ip6":
		return []netip.Addr{netip.MustParseAddr("fd00::1")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("::ffff:10.0.0.1")}, nil
}

func (r *resolver) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service != "" || proto != "" {
		return "", nil, errors.New("a service is asked for")
	}
	return name, []*net.SRV{{Target: "a.example.", Port: 80}, {Target: "b.example.", Port: 81}}, errors.New("one record was left out")
}

func (r *resolver) LookupMX(context.Context, string) ([]*net.MX, error) {
	return []*net.MX{{Host: "mail.example."}}, nil
}

func (r *resolver) LookupNS(context.Context, string) ([]*net.NS, error) {
	return []*net.NS{{Host: "ns.example."}}, nil
}

// discover runs a Discoverer for a time, and returns its updates, with the targets of each update as one text.
func discover(t *testing.T, cfg dns.Config, r dns.Resolver, log *bytes.Buffer, during func()) (updates []string) {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- dns.New(cfg, r, slog.New(slog.NewTextHandler(log, nil))).Run(ctx, func(targets []lighter.Target) {
			var all []string
			for _, target := range targets {
				all = append(all, target.Labels.String())
			}
			updates = append(updates, strings.Join(all, "\n"))
		})
	}()
	during()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return updates
}

func TestTypes(t *testing.T) {
	for kind, want := range map[string]string{
		"A":    `{__address__="10.0.0.1:9100", __meta_dns_name="app"}` + "\n" + `{__address__="10.0.0.2:9100", __meta_dns_name="app"}`,
		"aaaa": `{__address__="[fd00::1]:9100", __meta_dns_name="app"}`,
		"SRV": `{__address__="a.example:80", __meta_dns_name="app", __meta_dns_srv_record_port="80", __meta_dns_srv_record_target="a.example."}` + "\n" +
			`{__address__="b.example:81", __meta_dns_name="app", __meta_dns_srv_record_port="81", __meta_dns_srv_record_target="b.example."}`,
		"MX": `{__address__="mail.example:9100", __meta_dns_mx_record_target="mail.example.", __meta_dns_name="app"}`,
		"NS": `{__address__="ns.example:9100", __meta_dns_name="app", __meta_dns_ns_record_target="ns.example."}`,
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := discover(t, dns.Config{Names: []string{"app"}, Type: kind, Port: 9100, RefreshInterval: time.Second}, &resolver{}, &bytes.Buffer{}, func() { time.Sleep(5 * time.Second) })
				if diff := cmp.Diff([]string{want}, got); diff != "" {
					t.Errorf("updates (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A name that does not exist has no targets; a name whose lookup fails keeps its last targets.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &resolver{}
		var log bytes.Buffer
		cfg := dns.Config{Names: []string{"flaky", "unknown"}, Type: "AAAA", Port: 1, RefreshInterval: time.Minute}
		got := discover(t, cfg, r, &log, func() {
			time.Sleep(90 * time.Second)
			r.failWith(errors.New("refused"))
			time.Sleep(10 * time.Minute)
			r.failWith(nil)
			time.Sleep(time.Minute)
			r.failWith(notFound)
			time.Sleep(time.Minute)
		})
		if diff := cmp.Diff([]string{`{__address__="[fd00::1]:1", __meta_dns_name="flaky"}`, ""}, got); diff != "" {
			t.Errorf("updates (-want +got):\n%s", diff)
		}
		if text := log.String(); strings.Count(text, "cannot be looked up") != 1 || strings.Count(text, "again") != 1 {
			t.Errorf("log:\n%s", text)
		}
	})
}

// There are no targets while lookups fail from the start.
func TestFailsFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := discover(t, dns.Config{Names: []string{"flaky"}, Type: "A", Port: 1, RefreshInterval: time.Minute}, &resolver{fail: errors.New("refused")}, &bytes.Buffer{}, func() { time.Sleep(time.Hour) })
		if got != nil {
			t.Errorf("updates %q", got)
		}
	})
}

func TestValidate(t *testing.T) {
	for want, cfg := range map[string]dns.Config{
		"have no port":                 {Names: []string{"a"}, Type: "A"},
		"not one of":                   {Names: []string{"a"}, Type: "TXT", Port: 1},
		"at least one name":            {Type: "SRV"},
		"and 70000 is not a valid one": {Names: []string{"a"}, Type: "MX", Port: 70000},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	cfg := dns.DefaultConfig()
	cfg.Names = []string{"a"}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}
