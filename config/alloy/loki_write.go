package alloy

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/grafana/alloy/syntax/ast"
	"github.com/prometheus/prometheus/model/labels"

	"lighter/config"
	"lighter/exporters/loki"
	"lighter/exporters/remotewrite"
)

// LokiWrite are the arguments of loki.write.
type LokiWrite struct {
	Endpoints      []LokiEndpoint    `alloy:"endpoint,block,optional"`
	ExternalLabels map[string]string `alloy:"external_labels,attr,optional"`
	MaxStreams     int               `alloy:"max_streams,attr,optional"`
	WAL            *LokiWAL          `alloy:"wal,block,optional"`
}

// LokiEndpoint is an endpoint block of loki.write.
type LokiEndpoint struct {
	Name              string            `alloy:"name,attr,optional"`
	URL               string            `alloy:"url,attr"`
	BatchWait         time.Duration     `alloy:"batch_wait,attr,optional"`
	BatchSize         units.Base2Bytes  `alloy:"batch_size,attr,optional"`
	RemoteTimeout     time.Duration     `alloy:"remote_timeout,attr,optional"`
	Headers           map[string]string `alloy:"headers,attr,optional"`
	MinBackoff        time.Duration     `alloy:"min_backoff_period,attr,optional"`
	MaxBackoff        time.Duration     `alloy:"max_backoff_period,attr,optional"`
	MaxBackoffRetries int               `alloy:"max_backoff_retries,attr,optional"`
	TenantID          string            `alloy:"tenant_id,attr,optional"`
	RetryOnHTTP429    bool              `alloy:"retry_on_http_429,attr,optional"`
	HTTP              HTTPClient        `alloy:",squash"`
	Queue             *LokiQueue        `alloy:"queue_config,block,optional"`
}

// LokiQueue is a queue_config block of loki.write.
type LokiQueue struct {
	Capacity        units.Base2Bytes `alloy:"capacity,attr,optional"`
	MinShards       int              `alloy:"min_shards,attr,optional"`
	DrainTimeout    time.Duration    `alloy:"drain_timeout,attr,optional"`
	BlockOnOverflow bool             `alloy:"block_on_overflow,attr,optional"`
}

// LokiWAL is a wal block of loki.write.
type LokiWAL struct {
	Enabled          bool          `alloy:"enabled,attr,optional"`
	MaxSegmentAge    time.Duration `alloy:"max_segment_age,attr,optional"`
	MinReadFrequency time.Duration `alloy:"min_read_frequency,attr,optional"`
	MaxReadFrequency time.Duration `alloy:"max_read_frequency,attr,optional"`
	DrainTimeout     time.Duration `alloy:"drain_timeout,attr,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *LokiWAL) SetToDefault() {
	*a = LokiWAL{MaxSegmentAge: time.Hour, MinReadFrequency: 250 * time.Millisecond, MaxReadFrequency: time.Second, DrainTimeout: 15 * time.Second}
}

// Validate reports the errors that Alloy reports.
func (a *LokiWAL) Validate() error {
	if a.MinReadFrequency >= a.MaxReadFrequency {
		return errors.New("min_read_frequency must be below max_read_frequency")
	}
	return nil
}

// SetToDefault sets Alloy's defaults.
func (a *LokiEndpoint) SetToDefault() {
	*a = LokiEndpoint{
		BatchWait:         time.Second,
		BatchSize:         units.MiB,
		RemoteTimeout:     10 * time.Second,
		MinBackoff:        500 * time.Millisecond,
		MaxBackoff:        5 * time.Minute,
		MaxBackoffRetries: 10,
		RetryOnHTTP429:    true,
	}
	a.HTTP.SetToDefault()
}

// Validate reports the errors that Alloy reports.
func (a *LokiEndpoint) Validate() error { return a.HTTP.Validate() }

var lokiWrite = kindOf(func(b *builder, a *LokiWrite) map[string]any {
	receiver := LogsReceiver{Component: b.entry.component.ID}
	if a.MaxStreams > 0 {
		b.fail(b.place("max_streams"), "remove it, and set max_global_streams_per_user in Loki", "lighter does not limit the number of streams")
	}
	for i, e := range a.Endpoints {
		address, ok := b.endpointURL(b.blocks("endpoint")[i], e.URL)
		if !ok {
			continue
		}
		c := loki.DefaultConfig()
		c.URL = address
		c.HTTP = e.HTTP.config()
		c.Headers = secretHeaders(e.Headers)
		c.Tenant = e.TenantID
		c.ExternalLabels = labels.FromMap(a.ExternalLabels)
		c.BatchBytes = int(e.BatchSize)
		c.BatchWait = e.BatchWait
		c.Timeout = e.RemoteTimeout
		c.MinBackoff = e.MinBackoff
		c.MaxBackoff = e.MaxBackoff
		receiver.Nodes = append(receiver.Nodes, b.endpoint(i, len(a.Endpoints), e.Name, c))
	}
	return map[string]any{"receiver": receiver}
}, "receiver").without(map[string]string{
	"endpoint.max_backoff_retries":            "data that an endpoint does not accept is kept, and sent again until it is accepted",
	"endpoint.retry_on_http_429":              "data that an endpoint does not accept is kept, and sent again until it is accepted",
	"endpoint.queue_config.capacity":          "waiting data is kept on disk",
	"endpoint.queue_config.min_shards":        "a single sender keeps the order of each stream's lines",
	"endpoint.queue_config.drain_timeout":     "data that waits at a stop is sent after the next start",
	"endpoint.queue_config.block_on_overflow": "lines that do not fit are read again from the log when there is room",
	"wal": "after a crash the logs themselves are read again, so no copy of them is needed",
}).but(map[string]string{
	"max_streams": "refused unless it is 0; set max_global_streams_per_user in Loki",
})

// endpoint adds the node of one of a component's endpoints. The node has the name of the component if there is
// only one endpoint; otherwise the name or the number of the endpoint is added.
func (b *builder) endpoint(index, of int, name string, args any) string {
	suffix := ""
	if of > 1 {
		suffix = strconv.Itoa(index)
		if name != "" {
			suffix = name
		}
	}
	return b.add(config.Node{Name: b.name(suffix), Args: args})
}

// httpURL returns an address, and reports an error if no request can be sent to it.
func (b *builder) httpURL(block *ast.BlockStmt, address string) string {
	of := valueOf(block, "url")
	u, err := url.Parse(address)
	// An address with a port and without a host means this machine, but not if a variable for the host is not set.
	hasHost := err == nil && (u.Hostname() != "" || u.Host != "" && len(b.l.unsetVariables(of)) == 0)
	if hasHost && (u.Scheme == "http" || u.Scheme == "https") {
		return address
	}
	if b.l.complain(placeIn(block, "url"), "url", of, "", b.wantURL(err)) {
		return UnsetURL
	}
	return address
}

// wantURL describes the address that an argument must have. err is the error of parsing the one that it has.
func (b *builder) wantURL(err error) string {
	example := "http://HOST:PORT/PATH"
	switch b.entry.component.Name {
	case "loki.write":
		example = "http://loki:3100/loki/api/v1/push"
	case "prometheus.remote_write":
		example = "http://prometheus:9090/api/v1/write"
	}
	why := ""
	if wrong := (*url.Error)(nil); errors.As(err, &wrong) {
		what, _, _ := strings.Cut(wrong.Err.Error(), `"`) // what follows is quoted from the address
		why = fmt.Sprintf("it cannot be parsed (%s); ", strings.TrimSpace(what))
	}
	return fmt.Sprintf("%swant an address that begins with http:// or https:// and has a host, such as %q", why, example)
}

// endpointURL returns the address of an endpoint. ok is false if there is none, and the endpoint is then left out of
// the plan.
func (b *builder) endpointURL(block *ast.BlockStmt, address string) (_ string, ok bool) {
	of := valueOf(block, "url")
	if address != "" || b.l.Unset && len(b.l.unsetVariables(of)) > 0 {
		return b.httpURL(block, address), true
	}
	b.l.emptyURLs = append(b.l.emptyURLs, emptyURL{placeIn(block, "url"), of, b.wantURL(nil)})
	return "", false
}

// emptyURL is an endpoint with an empty URL.
type emptyURL struct {
	at   span
	of   ast.Node // the URL
	want string   // describes the address that it must be
}

// leaveOut warns about the endpoints with an empty URL, which are not in the plan. Such a URL is usually that of an
// optional backend. If there is no other endpoint, it is an error, because there would be nothing to do.
func (l *loader) leaveOut() {
	others := config.Has[loki.Config](l.plan) || config.Has[remotewrite.Config](l.plan) || config.Has[config.Echo](l.plan)
	for _, e := range l.emptyURLs {
		if others {
			l.warn(e.at, l.empty(e.of), "the url is empty, so nothing is sent to this endpoint")
		} else {
			l.complain(e.at, "url", e.of, l.empty(e.of), e.want)
		}
	}
}

// environmentCalls returns the names of the environment variables that an expression or a body reads.
func environmentCalls(n ast.Node) []string {
	var v callVisitor
	ast.Walk(&v, n)
	return v.names
}

type callVisitor struct{ names []string }

// Visit is called by ast.Walk.
func (v *callVisitor) Visit(n ast.Node) ast.Visitor {
	if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 1 {
		parts, _ := dotted(call.Value)
		name, isText := literalText(call.Args[0])
		if isText && (len(parts) == 1 && parts[0] == "env" || len(parts) == 2 && parts[0] == "sys" && parts[1] == "env") {
			v.names = append(v.names, name)
		}
	}
	return v
}
