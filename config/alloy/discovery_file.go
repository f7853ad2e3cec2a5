package alloy

import (
	"errors"
	"time"

	"lighter/discovery/dns"
	"lighter/discovery/file"
	"lighter/discovery/http"
)

// errRefresh is the error for a discovery that would never refresh.
var errRefresh = errors.New("refresh_interval must be above 0")

// DiscoveryFile are the arguments of discovery.file.
type DiscoveryFile struct {
	Files           []string      `alloy:"files,attr"`
	RefreshInterval time.Duration `alloy:"refresh_interval,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *DiscoveryFile) SetToDefault() {
	*a = DiscoveryFile{RefreshInterval: file.DefaultConfig().RefreshInterval}
}

// Validate reports an interval with which nothing would ever be discovered.
func (a *DiscoveryFile) Validate() error {
	if a.RefreshInterval <= 0 {
		return errRefresh
	}
	return nil
}

var discoveryFile = kindOf(func(b *builder, a *DiscoveryFile) map[string]any {
	return b.page(file.Config{Files: a.Files, RefreshInterval: a.RefreshInterval})
}, "targets")

// DiscoveryHTTP are the arguments of discovery.http.
type DiscoveryHTTP struct {
	URL             string        `alloy:"url,attr"`
	RefreshInterval time.Duration `alloy:"refresh_interval,attr,optional"`
	HTTP            HTTPClient    `alloy:",squash"`
}

// SetToDefault sets Alloy's defaults.
func (a *DiscoveryHTTP) SetToDefault() {
	*a = DiscoveryHTTP{RefreshInterval: http.DefaultConfig().RefreshInterval}
	a.HTTP.SetToDefault()
}

// Validate reports the errors that Alloy reports.
func (a *DiscoveryHTTP) Validate() error {
	if a.RefreshInterval <= 0 {
		return errRefresh
	}
	return a.HTTP.Validate()
}

var discoveryHTTP = kindOf(func(b *builder, a *DiscoveryHTTP) map[string]any {
	return b.page(http.Config{URL: b.httpURL(b.block(), a.URL), RefreshInterval: a.RefreshInterval, HTTP: a.HTTP.config()})
}, "targets")

// DiscoveryDNS are the arguments of discovery.dns.
type DiscoveryDNS struct {
	Names           []string      `alloy:"names,attr"`
	RefreshInterval time.Duration `alloy:"refresh_interval,attr,optional"`
	Type            string        `alloy:"type,attr,optional"`
	Port            int           `alloy:"port,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *DiscoveryDNS) SetToDefault() {
	d := dns.DefaultConfig()
	*a = DiscoveryDNS{RefreshInterval: d.RefreshInterval, Type: d.Type}
}

// Validate reports an interval with which nothing would ever be discovered.
func (a *DiscoveryDNS) Validate() error {
	if a.RefreshInterval <= 0 {
		return errRefresh
	}
	return a.config().Validate()
}

func (a *DiscoveryDNS) config() dns.Config {
	return dns.Config{Names: a.Names, RefreshInterval: a.RefreshInterval, Type: a.Type, Port: a.Port}
}

var discoveryDNS = kindOf(func(b *builder, a *DiscoveryDNS) map[string]any {
	return b.page(a.config())
}, "targets")
