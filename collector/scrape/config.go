package scrape

import (
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"
)

// Config is how targets are scraped that do not say otherwise by a label of their own
// (__scheme__, __metrics_path__, __param_*, __scrape_interval__, __scrape_timeout__).
type Config struct {
	Name             string // of the scrape in the plan; the job label of targets that have none
	Interval         time.Duration
	Timeout          time.Duration // not above Interval
	Path             string
	Scheme           string // "http" or "https"
	HonorLabels      bool   // the target's own job, instance, … win; else they are renamed exported_…
	HonorTimestamps  bool
	NativeHistograms bool  // protobuf is asked for first; of a histogram that is native too, only that is kept
	StartTimes       bool  // samples carry the start timestamps of the page: for endpoints that can send them
	SampleLimit      int   // samples after relabelling; a scrape over it fails whole; 0 is none
	BodyLimit        int64 // uncompressed; a scrape over it fails whole; 0 is none
	HTTP             promconfig.HTTPClientConfig
	MetricRelabel    []*relabel.Config
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
