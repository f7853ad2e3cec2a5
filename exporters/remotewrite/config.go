package remotewrite

import (
	"fmt"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lighter"
)

// Config is one remote-write endpoint.
type Config struct {
	Name             string                      // identifies the endpoint in metrics, status and log; unique in a process
	URL              string                      // used as given
	Version          int                         // of remote write: 1, or 2, with a fallback to 1 for an endpoint that does not support 2
	HTTP             promconfig.HTTPClientConfig // auth, TLS
	Proxy            lighter.Secret              // URL of the proxy before the endpoint, which may hold a password; if empty, HTTP decides
	Headers          map[string]lighter.Secret   // the protocol's own headers cannot be set
	Tenant           string                      // X-Scope-OrgID; empty means none
	ExternalLabels   labels.Labels               // on every series; a series' own label with that name wins
	WriteRelabel     []*relabel.Config           // applied after the external labels are added
	Shards           int                         // number of concurrent senders; a target's samples always go to the same one
	SamplesPerSend   int                         // at most, in one request
	Timeout          time.Duration               // of one request
	Dir              string                      // for waiting blocks, used by this endpoint only; if empty, they wait in memory, and those left at the end are lost
	MaxBytes         int64                       // of the files in Dir; above it the oldest samples are dropped and counted
	BufferBytes      int64                       // of blocks that wait in memory, without a Dir or while the disk fails; above it the oldest samples are dropped and counted
	SendMetadata     bool                        // TYPE and HELP, in separate requests, or with the samples in 2.0
	MetadataInterval time.Duration               // between two of those requests
	MetadataPerSend  int                         // families in one of those requests at most
	BatchWait        time.Duration               // how long the first block of a request waits for others, at most
	MinBackoff       time.Duration               // pause after the first failure, which doubles from there; if 0, package send's default
	MaxBackoff       time.Duration               // longest pause; if 0, package send's default
	MaxAge           time.Duration               // samples that have waited longer are dropped and counted; 0 means no limit
	NoExemplars      bool                        // drop exemplars
	NoNative         bool                        // drop native histograms
}

// DefaultConfig returns the settings that a plan starts with. A request of 10,000 samples is about a
// megabyte before compression, and small targets share it, because the cost of a request is mostly the work
// of the kernel and the HTTP client for each. Four shards with one request in flight each send 400,000
// samples a second at a round-trip time of 100 ms. Metadata is sent as often as Prometheus sends it.
func DefaultConfig() Config {
	c := Config{
		Version:          1,
		HTTP:             promconfig.DefaultHTTPClientConfig,
		Shards:           4,
		SamplesPerSend:   10_000,
		Timeout:          30 * time.Second,
		BufferBytes:      32 << 20,
		SendMetadata:     true,
		MetadataInterval: time.Minute,
		MetadataPerSend:  500, // even with long help texts, far below the limits of backends
		BatchWait:        time.Second,
	}
	c.HTTP.EnableHTTP2 = false // as in Prometheus: one connection must not be the bottleneck of all shards
	return c
}

// Check returns what is wrong with the configuration, as far as it can tell without opening anything.
func (c Config) Check() error {
	switch {
	case c.Shards < 1 || c.SamplesPerSend < 1 || c.BufferBytes < 1:
		return fmt.Errorf("shards (%d), samples per send (%d) and buffer bytes (%d) must be above zero", c.Shards, c.SamplesPerSend, c.BufferBytes)
	case c.BatchWait <= 0 || c.Timeout <= 0:
		return fmt.Errorf("the time for a request (%s) and the wait for company (%s) must be above zero", c.Timeout, c.BatchWait)
	case c.MinBackoff < 0 || c.MaxBackoff < 0 || c.MaxBackoff > 0 && c.MinBackoff > c.MaxBackoff:
		return fmt.Errorf("the first pause between attempts (%s) must not be above the longest (%s), and neither below zero", c.MinBackoff, c.MaxBackoff)
	case c.MaxAge < 0:
		return fmt.Errorf("samples older than %s cannot be dropped, use 0 or more", c.MaxAge)
	case c.SendMetadata && (c.MetadataInterval <= 0 || c.MetadataPerSend < 1):
		return fmt.Errorf("the metadata interval (%s) and the families in a request (%d) must be above zero", c.MetadataInterval, c.MetadataPerSend)
	case c.Version != 1 && c.Version != 2:
		return fmt.Errorf("version %d of the protocol is not known, use 1 or 2", c.Version)
	}
	return nil
}
