package alloy

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
)

// LokiSourceSyslog are the arguments of loki.source.syslog.
type LokiSourceSyslog struct {
	Listeners    []SyslogListener `alloy:"listener,block"`
	ForwardTo    []LogsReceiver   `alloy:"forward_to,attr"`
	RelabelRules Rules            `alloy:"relabel_rules,attr,optional"`
}

// SyslogListener is a listener block.
type SyslogListener struct {
	Address                     string            `alloy:"address,attr"`
	Protocol                    string            `alloy:"protocol,attr,optional"`
	IdleTimeout                 time.Duration     `alloy:"idle_timeout,attr,optional"`
	LabelStructuredData         bool              `alloy:"label_structured_data,attr,optional"`
	Labels                      map[string]string `alloy:"labels,attr,optional"`
	UseIncomingTimestamp        bool              `alloy:"use_incoming_timestamp,attr,optional"`
	UseRFC5424Message           bool              `alloy:"use_rfc5424_message,attr,optional"`
	RFC3164DefaultToCurrentYear bool              `alloy:"rfc3164_default_to_current_year,attr,optional"`
	RFC5424AllowEmptyMsg        bool              `alloy:"rfc5424_allow_empty_msg,attr,optional"`
	MaxMessageLength            int               `alloy:"max_message_length,attr,optional"`
	TLS                         TLS               `alloy:"tls_config,block,optional"`
	SyslogFormat                string            `alloy:"syslog_format,attr,optional"`
	RawFormatOptions            *RawFormatOptions `alloy:"raw_format_options,block,optional"`
	RFC3164CiscoComponents      *CiscoComponents  `alloy:"rfc3164_cisco_components,block,optional"`
	UDPQueueSize                int               `alloy:"udp_queue_size,attr,optional"`
	UDPHostCacheSize            int               `alloy:"udp_host_cache_size,attr,optional"`
}

// RawFormatOptions is a raw_format_options block.
type RawFormatOptions struct {
	UseNullTerminatorDelimiter bool `alloy:"use_null_terminator_delimiter,attr,optional"`
}

// CiscoComponents is a rfc3164_cisco_components block.
type CiscoComponents struct {
	EnableAll       bool `alloy:"enable_all,attr,optional"`
	MessageCounter  bool `alloy:"message_counter,attr,optional"`
	SequenceNumber  bool `alloy:"sequence_number,attr,optional"`
	Hostname        bool `alloy:"hostname,attr,optional"`
	SecondFractions bool `alloy:"second_fractions,attr,optional"`
}

// config returns the settings of the parser.
func (a *CiscoComponents) config() config.SyslogCisco {
	if a == nil {
		return config.SyslogCisco{}
	}
	return config.SyslogCisco{
		MessageCounter:  a.EnableAll || a.MessageCounter,
		SequenceNumber:  a.EnableAll || a.SequenceNumber,
		Hostname:        a.EnableAll || a.Hostname,
		SecondFractions: a.EnableAll || a.SecondFractions,
	}
}

// The formats of syslog messages.
const (
	rfc5424 = "rfc5424"
	rfc3164 = "rfc3164"
	raw     = "raw"
)

// SetToDefault sets Alloy's defaults.
func (a *SyslogListener) SetToDefault() {
	*a = SyslogListener{Protocol: "tcp", IdleTimeout: defaultIdleTimeout, MaxMessageLength: defaultMessageLength, SyslogFormat: rfc5424}
}

// The values that 0 stands for, too.
const (
	defaultIdleTimeout   = 2 * time.Minute
	defaultMessageLength = 8192
)

// Validate reports the errors that Alloy reports.
func (a *SyslogListener) Validate() error {
	noEffect := func(argument string) error {
		return fmt.Errorf("%s has no effect if syslog_format is %q", argument, a.SyslogFormat)
	}
	format := a.SyslogFormat
	switch {
	case a.Protocol != "tcp" && a.Protocol != "udp":
		return fmt.Errorf(`there is no protocol %q; the protocols are "tcp" and "udp"`, a.Protocol)
	case format != rfc5424 && format != rfc3164 && format != raw:
		return fmt.Errorf(`there is no syslog_format %q; the formats are "rfc5424", "rfc3164" and "raw"`, format)
	case a.RFC3164CiscoComponents != nil && format != rfc3164:
		return noEffect("rfc3164_cisco_components")
	case a.RFC5424AllowEmptyMsg && format != rfc5424:
		return noEffect("rfc5424_allow_empty_msg")
	case a.UseRFC5424Message && format == raw:
		return noEffect("use_rfc5424_message")
	case a.RFC3164DefaultToCurrentYear && format == raw:
		return noEffect("rfc3164_default_to_current_year")
	case a.UseIncomingTimestamp && format == raw:
		return noEffect("use_incoming_timestamp")
	case a.RawFormatOptions != nil && format != raw:
		return noEffect("raw_format_options")
	case a.MaxMessageLength < 0:
		return errors.New("max_message_length must be 0 or more")
	}
	return nil
}

var lokiSourceSyslog = kindOf(func(b *builder, a *LokiSourceSyslog) map[string]any {
	to := logNodes(a.ForwardTo)
	if len(to) == 0 {
		b.noReceiver("forward_to")
		return nil
	}
	c := config.SyslogSource{Rules: a.RelabelRules}
	for i, l := range a.Listeners {
		block := b.blocks("listener")[i]
		if l.TLS.CA+l.TLS.Cert+string(l.TLS.Key) != "" {
			b.fail(placeIn(block, "tls_config"), "write ca_file, cert_file and key_file", "the certificates of a syslog listener must be in files")
		}
		c.Listeners = append(c.Listeners, config.SyslogListener{
			Address:              l.Address,
			Protocol:             l.Protocol,
			Format:               l.SyslogFormat,
			IdleTimeout:          cmp.Or(l.IdleTimeout, defaultIdleTimeout),
			LabelStructuredData:  l.LabelStructuredData,
			Labels:               labels.FromMap(l.Labels),
			UseIncomingTimestamp: l.UseIncomingTimestamp,
			UseRFC5424Message:    l.UseRFC5424Message,
			RFC3164DefaultToYear: l.RFC3164DefaultToCurrentYear,
			MaxMessageBytes:      cmp.Or(l.MaxMessageLength, defaultMessageLength),
			NullDelimiter:        l.RawFormatOptions != nil && l.RawFormatOptions.UseNullTerminatorDelimiter,
			CertFile:             l.TLS.CertFile,
			KeyFile:              l.TLS.KeyFile,
			CAFile:               l.TLS.CAFile,
			AllowEmpty:           l.RFC5424AllowEmptyMsg,
			Cisco:                l.RFC3164CiscoComponents.config(),
		})
	}
	b.add(config.Node{Name: b.name(""), To: to, Args: c})
	return nil
}).without(map[string]string{
	"listener.udp_queue_size":                  "a datagram is parsed as soon as it is read",
	"listener.udp_host_cache_size":             "hosts are not looked up",
	"listener.tls_config.server_name":          "it is a setting of clients, and a listener is a server",
	"listener.tls_config.insecure_skip_verify": "it is a setting of clients, and a listener is a server",
	"listener.tls_config.min_version":          "the minimum is TLS 1.2",
}).but(map[string]string{
	"listener.tls_config.ca_pem":   "refused; write ca_file",
	"listener.tls_config.cert_pem": "refused; write cert_file",
	"listener.tls_config.key_pem":  "refused; write key_file",
})
