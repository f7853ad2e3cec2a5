package loki

import (
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// Config is one Loki endpoint.
type Config struct {
	Name           string                      // names the endpoint in metrics, status and log; unique in a process
	URL            string                      // the push URL, used as given
	HTTP           promconfig.HTTPClientConfig // auth, TLS
	Proxy          lighter.Secret              // URL of the proxy before the endpoint; it may hold a password; empty leaves what HTTP says
	Headers        map[string]lighter.Secret
	Tenant         string        // X-Scope-OrgID of streams without a label __tenant_id__; empty sends none
	ExternalLabels labels.Labels // on every stream; a stream's own label of that name wins
	BatchBytes     int           // of one request, before compression, about
	BatchWait      time.Duration // how long the first line of a request waits for company
	Timeout        time.Duration // of one request
	MinBackoff     time.Duration // pause after the first failure, which doubles from there; 0 is package send's
	MaxBackoff     time.Duration // longest pause; likewise
	Dir            string        // where what waits goes when the endpoint lags; its own
	MaxBytes       int64         // of the files in Dir
}

// DefaultConfig is what a plan starts from: the batch sizes are Alloy's, which Loki's
// own limits are made for.
func DefaultConfig() Config {
	return Config{
		HTTP:       promconfig.DefaultHTTPClientConfig,
		BatchBytes: 1 << 20,
		BatchWait:  time.Second,
		Timeout:    10 * time.Second,
	}
}
