package remotewrite

import (
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// Config is one remote-write endpoint.
type Config struct {
	Name             string                      // names the endpoint in metrics, status and log; unique in a process
	URL              string                      // used as given
	HTTP             promconfig.HTTPClientConfig // auth, TLS, proxy
	Headers          map[string]string           // the protocol's own cannot be set
	Tenant           string                      // X-Scope-OrgID; empty sends none
	ExternalLabels   labels.Labels               // on every series; a series' own label of that name wins
	WriteRelabel     []*relabel.Config           // run after the external labels are added
	Shards           int                         // senders side by side; a target's samples always go to the same one
	SamplesPerSend   int                         // at most, in one request
	Timeout          time.Duration               // of one request
	BufferBytes      int64                       // of blocks that wait; beyond it the oldest go, counted
	SendMetadata     bool                        // TYPE and HELP, in requests of their own
	MetadataInterval time.Duration               // between two of those
}

// DefaultConfig is what a plan starts from. Shards: one request in flight carries
// 2,000 samples, so at 100 ms a round trip four of them are 80,000 samples a second,
// eight times what Grafana Cloud takes by default; metadata goes as often as Prometheus sends it.
func DefaultConfig() Config {
	c := Config{
		HTTP:             promconfig.DefaultHTTPClientConfig,
		Shards:           4,
		SamplesPerSend:   2000,
		Timeout:          30 * time.Second,
		BufferBytes:      32 << 20,
		SendMetadata:     true,
		MetadataInterval: time.Minute,
	}
	c.HTTP.EnableHTTP2 = false // as Prometheus: one connection must not be the bottleneck of all shards
	return c
}
