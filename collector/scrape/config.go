package scrape

import (
	"net/url"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"
)

// Config is how targets are scraped that do not say otherwise by a label of their own
// (__scheme__, __metrics_path__, __param_*, __scrape_interval__, __scrape_timeout__).
type Config struct {
	Name            string // of the scrape in the plan
	Job             string // the job label of targets that have none; empty is Name
	Interval        time.Duration
	Timeout         time.Duration // not above Interval
	Path            string
	Scheme          string // "http" or "https"
	HonorLabels     bool   // the target's own job, instance, … win; else they are renamed exported_…
	HonorTimestamps bool
	TrackStaleness  bool       // a series whose samples have times of their own gets a staleness marker, too
	Params          url.Values // of the request; a target's own __param_ labels win

	// Protocols are the formats that are asked for, the preferred one first, as Prometheus names them
	// (such as "OpenMetricsText1.0.0"). If there are none they are DefaultProtocols, with protobuf first if
	// NativeHistograms is set. A page in another format is read as its Content-Type says.
	Protocols        []string
	FallbackProtocol string // in which a page is read whose Content-Type says nothing of use; empty is PrometheusText0.0.4
	Uncompressed     bool   // pages are asked for as they are, and not compressed

	NativeHistograms      bool    // native histograms are kept; of one that is native, the classic one is left out
	ClassicHistograms     bool    // the classic histogram is kept, too
	NativeBucketLimit     int     // of a native histogram, which loses resolution until it has no more; 0 is none
	NativeMinBucketFactor float64 // of a native histogram, which loses resolution until its buckets grow by that; 0 is none
	StartTimes            bool    // samples carry the start timestamps of the page: for endpoints that can send them
	SampleLimit           int     // samples after relabelling; a scrape over it fails whole; 0 is none
	BodyLimit             int64   // uncompressed; a scrape over it fails whole; 0 is none
	TargetLimit           int     // of the scrape; with more, no target is scraped, and each is down; 0 is none
	LabelLimit            int     // labels of a series, its name included; a scrape over it fails whole; 0 is none
	LabelNameLimit        int     // bytes of a label's name; likewise
	LabelValueLimit       int     // bytes of a label's value; likewise
	ExtraMetrics          bool    // the series scrape_timeout_seconds, scrape_sample_limit and scrape_body_size_bytes are sent too
	FailureLogFile        string  // to which failed scrapes are appended, one JSON object a line; empty is none
	HTTP                  promconfig.HTTPClientConfig
	MetricRelabel         []*relabel.Config
}

// DefaultConfig is what a plan starts from.
func DefaultConfig() Config {
	return Config{
		Interval:        30 * time.Second,
		Timeout:         10 * time.Second,
		Path:            "/metrics",
		Scheme:          "http",
		HonorTimestamps: true,
		BodyLimit:       64 << 20,
		HTTP:            promconfig.DefaultHTTPClientConfig,
	}
}
