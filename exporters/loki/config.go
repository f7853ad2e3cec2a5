package loki

import (
	"fmt"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

// Config is one Loki endpoint.
type Config struct {
	Name           string                      // identifies the endpoint in metrics, status and log; unique in a process
	URL            string                      // the push URL, used as given
	HTTP           promconfig.HTTPClientConfig // auth, TLS
	Proxy          lighter.Secret              // URL of the proxy before the endpoint, which may hold a password; if empty, HTTP decides
	Headers        map[string]lighter.Secret
	Tenant         string        // X-Scope-OrgID of streams without a label __tenant_id__; empty means none
	ExternalLabels labels.Labels // on every stream; a stream's own label with that name wins
	BatchBytes     int           // approximate size of one request before compression
	BatchWait      time.Duration // how long the first line of a request waits for more
	Timeout        time.Duration // of one request
	MinBackoff     time.Duration // pause after the first failure, which doubles from there; if 0, package send's default
	MaxBackoff     time.Duration // longest pause; if 0, package send's default
	Dir            string        // for data that waits when the endpoint lags; used by this endpoint only
	MaxBytes       int64         // of the files in Dir
}

// DefaultConfig returns the settings that a plan starts with. The batch sizes are Alloy's, for which Loki's
// own limits are designed.
func DefaultConfig() Config {
	return Config{
		HTTP:       promconfig.DefaultHTTPClientConfig,
		BatchBytes: 1 << 20,
		BatchWait:  time.Second,
		Timeout:    10 * time.Second,
	}
}

// Check returns what is wrong with the configuration, as far as it can tell without opening anything.
func (c Config) Check() error {
	switch {
	case c.BatchBytes <= 0 || c.BatchWait <= 0 || c.Timeout <= 0:
		return fmt.Errorf("the bytes of a request (%d), the wait for company (%s) and the time for a request (%s) must be above zero", c.BatchBytes, c.BatchWait, c.Timeout)
	case c.MinBackoff < 0 || c.MaxBackoff < 0 || c.MaxBackoff > 0 && c.MinBackoff > c.MaxBackoff:
		return fmt.Errorf("the first pause between attempts (%s) must not be above the longest (%s), and neither below zero", c.MinBackoff, c.MaxBackoff)
	}
	return nil
}
