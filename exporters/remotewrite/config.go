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
	Name             string                      // names the endpoint in metrics, status and log; unique in a process
	URL              string                      // used as given
	Version          int                         // of remote write: 1, or 2, which becomes 1 for an endpoint that does not know it
	HTTP             promconfig.HTTPClientConfig // auth, TLS
	Proxy            lighter.Secret              // URL of the proxy before the endpoint; it may hold a password; empty leaves what HTTP says
	Headers          map[string]lighter.Secret   // the protocol's own cannot be set
	Tenant           string                      // X-Scope-OrgID; empty sends none
	ExternalLabels   labels.Labels               // on every series; a series' own label of that name wins
	WriteRelabel     []*relabel.Config           // run after the external labels are added
	Shards           int                         // senders side by side; a target's samples always go to the same one
	SamplesPerSend   int                         // at most, in one request
	Timeout          time.Duration               // of one request
	Dir              string                      // where blocks wait, its own; empty: in memory alone, and what waits at the end is lost
	MaxBytes         int64                       // of the files in Dir; beyond it the oldest samples go, counted
	BufferBytes      int64                       // of blocks that wait in memory: without a Dir, or while the disk fails; likewise
	SendMetadata     bool                        // TYPE and HELP: in requests of their own, or with the samples in 2.0
	MetadataInterval time.Duration               // between two of those requests
	MetadataPerSend  int                         // families in one of those requests at most
	BatchWait        time.Duration               // how long the first block waits for others, at most
	MinBackoff       time.Duration               // pause after the first failure, which doubles from there; 0 is package send's
	MaxBackoff       time.Duration               // longest pause; likewise
	MaxAge           time.Duration               // samples that have waited longer are dropped, counted; 0 is none
	NoExemplars      bool                        // exemplars are left out
	NoNative         bool                        // native histograms are left out
}

// DefaultConfig is what a plan starts from. A request of 10,000 samples is about a megabyte
// before compression, and small targets share it: what a request costs is mostly the kernel's and
// the HTTP client's work for each. Shards: with one of them in flight each, four are
// 400,000 samples a second at 100 ms a round trip; metadata goes as often as Prometheus sends it.
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
		MetadataPerSend:  500, // long help texts stay far below what backends read of a request
		BatchWait:        time.Second,
	}
	c.HTTP.EnableHTTP2 = false // as Prometheus: one connection must not be the bottleneck of all shards
	return c
}

// Check returns what is wrong with the configuration, as far as that shows without opening anything.
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
