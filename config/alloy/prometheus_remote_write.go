package alloy

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/exporters/remotewrite"
)

// PrometheusRemoteWrite are the arguments of prometheus.remote_write.
type PrometheusRemoteWrite struct {
	ExternalLabels map[string]string      `alloy:"external_labels,attr,optional"`
	Endpoints      []*RemoteWriteEndpoint `alloy:"endpoint,block,optional"`
	WAL            *RemoteWriteWAL        `alloy:"wal,block,optional"`
}

// RemoteWriteEndpoint is an endpoint block of prometheus.remote_write.
type RemoteWriteEndpoint struct {
	Name                 string               `alloy:"name,attr,optional"`
	URL                  string               `alloy:"url,attr"`
	RemoteTimeout        time.Duration        `alloy:"remote_timeout,attr,optional"`
	Headers              map[string]string    `alloy:"headers,attr,optional"`
	SendExemplars        bool                 `alloy:"send_exemplars,attr,optional"`
	SendNativeHistograms bool                 `alloy:"send_native_histograms,attr,optional"`
	ProtobufMessage      string               `alloy:"protobuf_message,attr,optional"`
	HTTP                 HTTPClient           `alloy:",squash"`
	Queue                *RemoteWriteQueue    `alloy:"queue_config,block,optional"`
	Metadata             *RemoteWriteMetadata `alloy:"metadata_config,block,optional"`
	WriteRelabel         []*Rule              `alloy:"write_relabel_config,block,optional"`
	SigV4                *Refused             `alloy:"sigv4,block,optional"`
	AzureAD              *Refused             `alloy:"azuread,block,optional"`
	GoogleIAM            *Refused             `alloy:"google_iam,block,optional"`
	RoundRobinDNS        bool                 `alloy:"round_robin_dns,attr,optional"`
}

// Refused is a block that the agent does not support, whatever its arguments are.
type Refused struct{}

// RemoteWriteQueue is a queue_config block of prometheus.remote_write.
type RemoteWriteQueue struct {
	Capacity          int           `alloy:"capacity,attr,optional"`
	MaxShards         int           `alloy:"max_shards,attr,optional"`
	MinShards         int           `alloy:"min_shards,attr,optional"`
	MaxSamplesPerSend int           `alloy:"max_samples_per_send,attr,optional"`
	BatchSendDeadline time.Duration `alloy:"batch_send_deadline,attr,optional"`
	MinBackoff        time.Duration `alloy:"min_backoff,attr,optional"`
	MaxBackoff        time.Duration `alloy:"max_backoff,attr,optional"`
	RetryOnHTTP429    bool          `alloy:"retry_on_http_429,attr,optional"`
	SampleAgeLimit    time.Duration `alloy:"sample_age_limit,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *RemoteWriteQueue) SetToDefault() {
	*a = RemoteWriteQueue{
		Capacity:          10_000,
		MaxShards:         50,
		MinShards:         1,
		MaxSamplesPerSend: 2000,
		BatchSendDeadline: 5 * time.Second,
		MinBackoff:        30 * time.Millisecond,
		MaxBackoff:        5 * time.Second,
		RetryOnHTTP429:    true,
	}
}

// Validate reports numbers with which nothing could be sent.
func (a *RemoteWriteQueue) Validate() error {
	switch {
	case a.MaxShards < 1:
		return errors.New("max_shards must be above 0")
	case a.MaxSamplesPerSend < 1:
		return errors.New("max_samples_per_send must be above 0")
	}
	return nil
}

// RemoteWriteMetadata is a metadata_config block.
type RemoteWriteMetadata struct {
	Send              bool          `alloy:"send,attr,optional"`
	SendInterval      time.Duration `alloy:"send_interval,attr,optional"`
	MaxSamplesPerSend int           `alloy:"max_samples_per_send,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *RemoteWriteMetadata) SetToDefault() {
	*a = RemoteWriteMetadata{Send: true, SendInterval: time.Minute, MaxSamplesPerSend: 2000}
}

// RemoteWriteWAL is a wal block of prometheus.remote_write.
type RemoteWriteWAL struct {
	TruncateFrequency time.Duration `alloy:"truncate_frequency,attr,optional"`
	MinKeepaliveTime  time.Duration `alloy:"min_keepalive_time,attr,optional"`
	MaxKeepaliveTime  time.Duration `alloy:"max_keepalive_time,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *RemoteWriteWAL) SetToDefault() {
	*a = RemoteWriteWAL{TruncateFrequency: 2 * time.Hour, MinKeepaliveTime: 5 * time.Minute, MaxKeepaliveTime: 8 * time.Hour}
}

// Validate reports the errors that Alloy reports.
func (a *RemoteWriteWAL) Validate() error {
	switch {
	case a.TruncateFrequency == 0:
		return errors.New("truncate_frequency must not be 0")
	case a.MaxKeepaliveTime <= a.MinKeepaliveTime:
		return errors.New("min_keepalive_time must be below max_keepalive_time")
	}
	return nil
}

// The messages of the two versions of the protocol.
const (
	messageV1 = "prometheus.WriteRequest"
	messageV2 = "io.prometheus.write.v2.Request"
)

// tenantHeader is the header with the tenant, which is a separate setting in the plan.
const tenantHeader = "X-Scope-OrgID"

// SetToDefault sets Alloy's defaults.
func (a *RemoteWriteEndpoint) SetToDefault() {
	*a = RemoteWriteEndpoint{RemoteTimeout: 30 * time.Second, SendExemplars: true, ProtobufMessage: messageV1}
	a.HTTP.SetToDefault()
	a.HTTP.EnableHTTP2 = false
}

// Validate reports the errors that Alloy reports.
func (a *RemoteWriteEndpoint) Validate() error {
	if a.ProtobufMessage != messageV1 && a.ProtobufMessage != messageV2 {
		return fmt.Errorf("there is no protobuf_message %q; the messages are %q and %q", a.ProtobufMessage, messageV1, messageV2)
	}
	return a.HTTP.Validate()
}

var prometheusRemoteWrite = kindOf(func(b *builder, a *PrometheusRemoteWrite) map[string]any {
	receiver := MetricsReceiver{Component: b.entry.component.ID}
	for i, e := range a.Endpoints {
		block := b.blocks("endpoint")[i]
		address, ok := b.endpointURL(block, e.URL)
		if !ok {
			continue
		}
		c := remotewrite.DefaultConfig()
		c.URL = address
		c.HTTP = e.HTTP.config()
		c.Timeout = e.RemoteTimeout
		c.Headers = secretHeaders(e.Headers)
		if tenant, ok := c.Headers[tenantHeader]; ok {
			c.Tenant = tenant.Reveal()
			delete(c.Headers, tenantHeader)
			if len(c.Headers) == 0 {
				c.Headers = nil
			}
		}
		if e.ProtobufMessage == messageV2 { // which always sends both
			c.Version = 2
		} else {
			c.NoExemplars = !e.SendExemplars
			c.NoNative = !e.SendNativeHistograms
		}
		c.ExternalLabels = labels.FromMap(a.ExternalLabels)
		c.WriteRelabel = relabelRules(e.WriteRelabel)
		e.Queue.set(&c, blockIn(block, "queue_config"))
		if m := e.Metadata; m != nil {
			c.SendMetadata = m.Send
			c.MetadataInterval = m.SendInterval
			c.MetadataPerSend = m.MaxSamplesPerSend
		}
		receiver.Nodes = append(receiver.Nodes, b.endpoint(i, len(a.Endpoints), e.Name, c))
	}
	return map[string]any{"receiver": receiver}
}, "receiver").without(map[string]string{
	"endpoint.queue_config.capacity":          "waiting data is kept on disk",
	"endpoint.queue_config.retry_on_http_429": "data that an endpoint does not accept is kept, and sent again until it is accepted",
	"endpoint.round_robin_dns":                "a connection goes to the first address that answers",
	"wal":                                     "waiting samples are kept on disk until they are sent or the buffer is full",
}).refusing(map[string]string{
	"endpoint.sigv4":      "put a proxy that signs requests, such as aws-sigv4-proxy, in front of the endpoint, or use basic_auth, oauth2 or bearer_token",
	"endpoint.azuread":    "use an oauth2 block, with the tenant's token_url",
	"endpoint.google_iam": "use an oauth2 block, or a proxy that authenticates",
}).but(map[string]string{
	"endpoint.queue_config.min_shards":           "an argument that is not set has lighter's own default; there are 4 senders, or the number nearest to 4 that min_shards and max_shards allow",
	"endpoint.queue_config.max_shards":           "the number of senders does not change while the agent runs",
	"endpoint.queue_config.max_samples_per_send": "if it is not set it is 10000",
	"endpoint.send_exemplars":                    "with the second version of the protocol they are always sent",
	"endpoint.send_native_histograms":            "with the second version of the protocol they are always sent",
})

// set sets the arguments that the block has. The others keep the agent's own defaults, which suit its queue on
// disk.
func (a *RemoteWriteQueue) set(c *remotewrite.Config, block *ast.BlockStmt) {
	if a == nil {
		return
	}
	said := func(argument string) bool { return has(block, argument) }
	if said("max_shards") || said("min_shards") {
		c.Shards = min(max(c.Shards, a.MinShards), a.MaxShards)
	}
	if said("max_samples_per_send") {
		c.SamplesPerSend = a.MaxSamplesPerSend
	}
	if said("batch_send_deadline") {
		c.BatchWait = a.BatchSendDeadline
	}
	if said("min_backoff") {
		c.MinBackoff = a.MinBackoff
	}
	if said("max_backoff") {
		c.MaxBackoff = a.MaxBackoff
	}
	c.MaxAge = a.SampleAgeLimit
}

// has reports whether a block has an argument or block with a name.
func has(block *ast.BlockStmt, name string) bool {
	for _, s := range block.Body {
		if stmtName(s) == name {
			return true
		}
	}
	return false
}

// blockIn returns the first block with a name in another block, or an empty block.
func blockIn(block *ast.BlockStmt, name string) *ast.BlockStmt {
	for _, s := range block.Body {
		if b, ok := s.(*ast.BlockStmt); ok && b.GetBlockName() == name {
			return b
		}
	}
	return &ast.BlockStmt{}
}
