package scrape

import (
	"net/url"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"
)

// Config says how targets are scraped. A target's own labels override it (__scheme__, __metrics_path__,
// __param_*, __scrape_interval__, __scrape_timeout__).
type Config struct {
	Name            string // the scrape's name in the plan
	Job             string // the job label of targets that have none; if empty, Name
	Interval        time.Duration
	Timeout         time.Duration // not above Interval
	Path            string
	Scheme          string // "http" or "https"
	HonorLabels     bool   // a target's own job, instance, … win; otherwise they are renamed exported_…
	HonorTimestamps bool
	TrackStaleness  bool       // series with timestamps of their own get staleness markers, too
	Params          url.Values // request parameters; a target's own __param_ labels override them

	// Protocols are the formats to request, the preferred one first, under Prometheus's names (such as
	// "OpenMetricsText1.0.0"). If empty, they are DefaultProtocols, with protobuf first if NativeHistograms
	// is set. A page in another format is read as its Content-Type says.
	Protocols        []string
	FallbackProtocol string // the format of a page without a usable Content-Type; if empty, PrometheusText0.0.4
	Uncompressed     bool   // request pages uncompressed

	NativeHistograms      bool    // keep native histograms, and drop the classic version of the same histogram
	ClassicHistograms     bool    // keep the classic version, too
	NativeBucketLimit     int     // most buckets of a native histogram, which loses resolution to fit; 0 means no limit
	NativeMinBucketFactor float64 // least growth of buckets of a native histogram, which loses resolution to get it; 0 means none
	StartTimes            bool    // send the page's start timestamps, for endpoints that accept them
	SampleLimit           int     // samples after relabelling; a scrape over it fails whole; 0 means no limit
	BodyLimit             int64   // uncompressed bytes; a scrape over it fails whole; 0 means no limit
	TargetLimit           int     // targets of the scrape; over it, no target is scraped and all are down; 0 means no limit
	LabelLimit            int     // labels of a series, its name included; a scrape over it fails whole; 0 means no limit
	LabelNameLimit        int     // bytes of a label's name; a scrape over it fails whole; 0 means no limit
	LabelValueLimit       int     // bytes of a label's value; a scrape over it fails whole; 0 means no limit
	ExtraMetrics          bool    // also send scrape_timeout_seconds, scrape_sample_limit and scrape_body_size_bytes
	FailureLogFile        string  // file to which failed scrapes are appended, one JSON object per line; empty means none
	HTTP                  promconfig.HTTPClientConfig
	MetricRelabel         []*relabel.Config
}

// DefaultConfig returns the settings that a plan starts with.
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
