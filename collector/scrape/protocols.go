package scrape

import (
	"fmt"
	"strings"
)

// Prometheus's names for the formats of pages.
const (
	protocolProto       = "PrometheusProto"
	protocolText        = "PrometheusText0.0.4"
	protocolText1       = "PrometheusText1.0.0"
	protocolOpenMetric0 = "OpenMetricsText0.0.1"
	protocolOpenMetrics = "OpenMetricsText1.0.0"
)

const protobuf = "application/vnd.google.protobuf"

// offered maps each format name to the media type that requests it. Where a format can say so, it requests
// that names be escaped to the characters that every backend accepts.
var offered = map[string]string{
	protocolProto:       protobuf + ";proto=io.prometheus.client.MetricFamily;encoding=delimited",
	protocolText:        "text/plain;version=0.0.4",
	protocolText1:       "text/plain;version=1.0.0;escaping=underscores",
	protocolOpenMetric0: "application/openmetrics-text;version=0.0.1",
	protocolOpenMetrics: "application/openmetrics-text;version=1.0.0;escaping=underscores",
}

// DefaultProtocols returns the formats to request, the richest first. Only protobuf has native histograms.
func DefaultProtocols(native bool) []string {
	if native {
		return []string{protocolProto, protocolOpenMetrics, protocolOpenMetric0, protocolText1, protocolText}
	}
	return []string{protocolOpenMetrics, protocolOpenMetric0, protocolText1, protocolText}
}

// The formats to request where a configuration names none, and the headers for them.
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

// accept returns the Accept header that requests the formats.
func (c *Config) accept() string {
	switch {
	case len(c.Protocols) > 0:
		return acceptOf(c.Protocols)
	case c.NativeHistograms:
		return acceptNative
	}
	return acceptText
}

// fallback returns the media type of a page without a usable Content-Type.
func (c *Config) fallback() string {
	if c.FallbackProtocol == "" {
		return "text/plain"
	}
	mediaType, _, _ := strings.Cut(offered[c.FallbackProtocol], ";")
	return mediaType
}

// acceptOf returns the Accept header that requests the formats in that order, and anything else last.
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
