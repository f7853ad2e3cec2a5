package scrape

import (
	"fmt"
	"strings"
)

// What Prometheus calls the formats of pages.
const (
	protocolProto       = "PrometheusProto"
	protocolText        = "PrometheusText0.0.4"
	protocolText1       = "PrometheusText1.0.0"
	protocolOpenMetric0 = "OpenMetricsText0.0.1"
	protocolOpenMetrics = "OpenMetricsText1.0.0"
)

const protobuf = "application/vnd.google.protobuf"

// offered is how a format is asked for, by what Prometheus calls it. Names are escaped to those that every
// backend takes, where a format can say so.
var offered = map[string]string{
	protocolProto:       protobuf + ";proto=io.prometheus.client.MetricFamily;encoding=delimited",
	protocolText:        "text/plain;version=0.0.4",
	protocolText1:       "text/plain;version=1.0.0;escaping=underscores",
	protocolOpenMetric0: "application/openmetrics-text;version=0.0.1",
	protocolOpenMetrics: "application/openmetrics-text;version=1.0.0;escaping=underscores",
}

// DefaultProtocols returns the formats that are asked for, the richer ones first. Native histograms are in
// protobuf alone.
func DefaultProtocols(native bool) []string {
	if native {
		return []string{protocolProto, protocolOpenMetrics, protocolOpenMetric0, protocolText1, protocolText}
	}
	return []string{protocolOpenMetrics, protocolOpenMetric0, protocolText1, protocolText}
}

// The formats that are asked for where a configuration names none, and the headers for them.
var (
	textProtocols   = DefaultProtocols(false)
	nativeProtocols = DefaultProtocols(true)
	acceptText      = acceptOf(textProtocols)
	acceptNative    = acceptOf(nativeProtocols)
)

func (c *Config) protocols() []string {
	switch {
	case len(c.Protocols) > 0:
		return c.Protocols
	case c.NativeHistograms:
		return nativeProtocols
	}
	return textProtocols
}

// accept returns the header that asks for the formats.
func (c *Config) accept() string {
	switch {
	case len(c.Protocols) > 0:
		return acceptOf(c.Protocols)
	case c.NativeHistograms:
		return acceptNative
	}
	return acceptText
}

// fallback returns the media type that a page is taken for whose Content-Type says nothing of use.
func (c *Config) fallback() string {
	if c.FallbackProtocol == "" {
		return "text/plain"
	}
	mediaType, _, _ := strings.Cut(offered[c.FallbackProtocol], ";")
	return mediaType
}

// acceptOf returns the header that asks for formats in that order, and for anything else last.
func acceptOf(protocols []string) string {
	var b strings.Builder
	weight := len(offered) + 1
	for _, p := range protocols {
		fmt.Fprintf(&b, "%s;q=0.%d,", offered[p], weight)
		weight--
	}
	fmt.Fprintf(&b, "*/*;q=0.%d", weight)
	return b.String()
}
