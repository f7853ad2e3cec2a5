package alloy

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/alecthomas/units"

	"lighter/collector/scrape"
	"lighter/config"
)

// PrometheusScrape are the arguments of prometheus.scrape.
type PrometheusScrape struct {
	Targets   []Target          `alloy:"targets,attr"`
	ForwardTo []MetricsReceiver `alloy:"forward_to,attr"`

	JobName                        string           `alloy:"job_name,attr,optional"`
	HonorLabels                    bool             `alloy:"honor_labels,attr,optional"`
	HonorTimestamps                bool             `alloy:"honor_timestamps,attr,optional"`
	TrackTimestampsStaleness       bool             `alloy:"track_timestamps_staleness,attr,optional"`
	Params                         url.Values       `alloy:"params,attr,optional"`
	ScrapeClassicHistograms        bool             `alloy:"scrape_classic_histograms,attr,optional"`
	ScrapeNativeHistograms         bool             `alloy:"scrape_native_histograms,attr,optional"`
	ScrapeFailureLogFile           string           `alloy:"scrape_failure_log_file,attr,optional"`
	ScrapeInterval                 time.Duration    `alloy:"scrape_interval,attr,optional"`
	ScrapeTimeout                  time.Duration    `alloy:"scrape_timeout,attr,optional"`
	ScrapeProtocols                []string         `alloy:"scrape_protocols,attr,optional"`
	MetricsPath                    string           `alloy:"metrics_path,attr,optional"`
	Scheme                         string           `alloy:"scheme,attr,optional"`
	BodySizeLimit                  units.Base2Bytes `alloy:"body_size_limit,attr,optional"`
	SampleLimit                    uint             `alloy:"sample_limit,attr,optional"`
	TargetLimit                    uint             `alloy:"target_limit,attr,optional"`
	LabelLimit                     uint             `alloy:"label_limit,attr,optional"`
	LabelNameLengthLimit           uint             `alloy:"label_name_length_limit,attr,optional"`
	LabelValueLengthLimit          uint             `alloy:"label_value_length_limit,attr,optional"`
	HTTP                           HTTPClient       `alloy:",squash"`
	ExtraMetrics                   bool             `alloy:"extra_metrics,attr,optional"`
	EnableProtobufNegotiation      bool             `alloy:"enable_protobuf_negotiation,attr,optional"`
	MetricNameValidationScheme     string           `alloy:"metric_name_validation_scheme,attr,optional"`
	MetricNameEscapingScheme       string           `alloy:"metric_name_escaping_scheme,attr,optional"`
	ScrapeFallbackProtocol         string           `alloy:"scrape_fallback_protocol,attr,optional"`
	ConvertClassicHistogramsToNHCB bool             `alloy:"convert_classic_histograms_to_nhcb,attr,optional"`
	EnableCompression              bool             `alloy:"enable_compression,attr,optional"`
	NativeHistogramBucketLimit     uint             `alloy:"native_histogram_bucket_limit,attr,optional"`
	NativeHistogramMinBucketFactor float64          `alloy:"native_histogram_min_bucket_factor,attr,optional"`
	HonorMetadata                  bool             `alloy:"honor_metadata,attr,optional"`
	EnableTypeAndUnitLabels        bool             `alloy:"enable_type_and_unit_labels,attr,optional"`
	StartTimestampZeroIngestion    bool             `alloy:"start_timestamp_zero_ingestion,attr,optional"`

	Clustering Clustering `alloy:"clustering,block,optional"`
}

// Clustering is a clustering block.
type Clustering struct {
	Enabled bool `alloy:"enabled,attr"`
}

// The formats of metrics pages, as Prometheus calls them.
const (
	protobufProtocol = "PrometheusProto"
	textProtocol     = "PrometheusText0.0.4"
)

var scrapeProtocols = []string{protobufProtocol, "OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", textProtocol}

// The schemes for the names of metrics. The agent supports only the legacy scheme, with underscores.
const (
	legacyNames = "legacy"
	underscores = "underscores"
)

// SetToDefault sets Alloy's defaults.
func (a *PrometheusScrape) SetToDefault() {
	*a = PrometheusScrape{
		MetricsPath:                "/metrics",
		Scheme:                     "http",
		HonorTimestamps:            true,
		ScrapeInterval:             time.Minute,
		ScrapeTimeout:              10 * time.Second,
		ScrapeFallbackProtocol:     textProtocol,
		MetricNameValidationScheme: legacyNames,
		EnableCompression:          true,
	}
	a.HTTP.SetToDefault()
}

// Validate reports the errors that Alloy reports.
func (a *PrometheusScrape) Validate() error {
	if a.ScrapeInterval <= 0 || a.ScrapeTimeout <= 0 {
		return fmt.Errorf("scrape_interval (%s) and scrape_timeout (%s) must be above 0", a.ScrapeInterval, a.ScrapeTimeout)
	}
	if a.ScrapeTimeout > a.ScrapeInterval {
		return fmt.Errorf("scrape_timeout (%s) is longer than scrape_interval (%s)", a.ScrapeTimeout, a.ScrapeInterval)
	}
	if a.EnableProtobufNegotiation {
		if a.ScrapeProtocols != nil {
			return fmt.Errorf("enable_protobuf_negotiation and scrape_protocols cannot both be set")
		}
		a.ScrapeNativeHistograms = true
	}
	for i, p := range a.ScrapeProtocols {
		if !slices.Contains(scrapeProtocols, p) {
			return fmt.Errorf("scrape_protocols: there is no %q; the protocols are %s", p, list(scrapeProtocols))
		}
		if slices.Contains(a.ScrapeProtocols[:i], p) {
			return fmt.Errorf("scrape_protocols has %q twice", p)
		}
	}
	if a.ScrapeNativeHistograms && a.ScrapeProtocols != nil && !slices.Contains(a.ScrapeProtocols, protobufProtocol) {
		return fmt.Errorf("scrape_native_histograms needs %q in scrape_protocols", protobufProtocol)
	}
	if p := a.ScrapeFallbackProtocol; p != "" && !slices.Contains(scrapeProtocols, p) {
		return fmt.Errorf("scrape_fallback_protocol: there is no %q; the protocols are %s", p, list(scrapeProtocols))
	}
	if s := a.MetricNameValidationScheme; s != legacyNames && s != "utf8" {
		return fmt.Errorf(`there is no metric_name_validation_scheme %q; the schemes are "legacy" and "utf8"`, s)
	}
	if s := a.MetricNameEscapingScheme; !slices.Contains([]string{"", "allow-utf-8", underscores, "dots", "values"}, s) {
		return fmt.Errorf(`there is no metric_name_escaping_scheme %q; the schemes are "allow-utf-8", "dots", "underscores" and "values"`, s)
	}
	if a.MetricNameEscapingScheme == "allow-utf-8" && a.MetricNameValidationScheme != "utf8" {
		return fmt.Errorf(`metric_name_escaping_scheme "allow-utf-8" needs metric_name_validation_scheme "utf8"`)
	}
	return a.HTTP.Validate()
}

var prometheusScrape = kindOf(func(b *builder, a *PrometheusScrape) map[string]any {
	b.refuseScrape(a)
	if a.EnableProtobufNegotiation {
		b.warn(b.place("enable_protobuf_negotiation"), "write scrape_native_histograms = true", "the argument %q is deprecated", "enable_protobuf_negotiation")
	}
	to := metricNodes(a.ForwardTo)
	if len(to) == 0 {
		b.noReceiver("forward_to")
		return nil
	}
	from := b.from(a.Targets)
	if len(from) == 0 {
		b.noTargets("targets")
		return nil
	}
	c := scrape.DefaultConfig()
	c.Job = cmp.Or(a.JobName, b.alloyID())
	c.Interval = a.ScrapeInterval
	c.Timeout = a.ScrapeTimeout
	c.Path = a.MetricsPath
	c.Scheme = a.Scheme
	c.HonorLabels = a.HonorLabels
	c.HonorTimestamps = a.HonorTimestamps
	c.TrackStaleness = a.TrackTimestampsStaleness
	c.Params = a.Params
	c.Protocols = a.ScrapeProtocols
	c.FallbackProtocol = a.ScrapeFallbackProtocol
	c.Uncompressed = !a.EnableCompression
	c.NativeHistograms = a.ScrapeNativeHistograms
	c.ClassicHistograms = a.ScrapeClassicHistograms
	c.NativeBucketLimit = int(a.NativeHistogramBucketLimit)
	c.NativeMinBucketFactor = a.NativeHistogramMinBucketFactor
	c.SampleLimit = int(a.SampleLimit)
	if a.BodySizeLimit > 0 {
		c.BodyLimit = int64(a.BodySizeLimit)
	}
	c.TargetLimit = int(a.TargetLimit)
	c.LabelLimit = int(a.LabelLimit)
	c.LabelNameLimit = int(a.LabelNameLengthLimit)
	c.LabelValueLimit = int(a.LabelValueLengthLimit)
	c.ExtraMetrics = a.ExtraMetrics
	c.FailureLogFile = a.ScrapeFailureLogFile
	c.HTTP = a.HTTP.config()
	b.add(config.Node{Name: b.name(""), From: from, To: to, Args: c})
	return nil
}).without(map[string]string{
	"honor_metadata": "the metadata_config of prometheus.remote_write decides how TYPE and HELP are sent",
}).but(map[string]string{
	"clustering":                         "refused if it is enabled; give each agent its own targets",
	"convert_classic_histograms_to_nhcb": "refused if it is true: classic histograms are sent as they are",
	"enable_protobuf_negotiation":        "deprecated; write scrape_native_histograms",
	"enable_type_and_unit_labels":        "refused if it is true: both are sent as metadata",
	"metric_name_escaping_scheme":        `refused unless it is "underscores"`,
	"metric_name_validation_scheme":      `refused unless it is "legacy"`,
	"start_timestamp_zero_ingestion":     "refused if it is true; the second version of the protocol sends the start timestamps themselves",
})

// refuseScrape reports the arguments that ask for what the agent cannot do.
func (b *builder) refuseScrape(a *PrometheusScrape) {
	refuse := func(asked bool, argument, what, hint string) {
		if asked {
			b.fail(b.place(argument), hint, "%s", what)
		}
	}
	if a.Clustering.Enabled {
		b.fail(b.place("clustering", "enabled"), "remove the block, and give each agent its own targets", "lighter does not share targets with other agents")
	}
	refuse(a.ConvertClassicHistogramsToNHCB, "convert_classic_histograms_to_nhcb", "lighter does not convert classic histograms", "remove it: they are sent as they are")
	refuse(a.EnableTypeAndUnitLabels, "enable_type_and_unit_labels", "lighter does not add labels of a metric's type and unit", "remove it: both are sent as metadata")
	refuse(a.StartTimestampZeroIngestion, "start_timestamp_zero_ingestion", "lighter does not add zero samples at start timestamps", `remove it, or use protobuf_message = "`+messageV2+`", which sends the start timestamps themselves`)
	refuse(a.MetricNameValidationScheme != legacyNames, "metric_name_validation_scheme", "lighter supports only legacy names of metrics", "remove it: lighter asks for names with underscores in place of other letters")
	refuse(a.MetricNameEscapingScheme != "" && a.MetricNameEscapingScheme != underscores && a.MetricNameValidationScheme == legacyNames, "metric_name_escaping_scheme", "lighter supports only underscores in place of other letters in names", "remove it")
}
