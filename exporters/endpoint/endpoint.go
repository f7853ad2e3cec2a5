// Package endpoint provides what the endpoints of all protocols share: the HTTP client and the sender, the
// queue on disk, the metrics and logs of waiting data, the status, and the time to flush at the end.
//
// A protocol's package makes an Endpoint, fills its queue and sends its content. That package decides how
// items are encoded and combined, and what a refusal means.
package endpoint

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	promconfig "github.com/prometheus/common/config"

	"lighter"
	"lighter/exporters/internal/redacted"
	"lighter/exporters/internal/stored"
	"lighter/exporters/queue"
	"lighter/exporters/send"
)

// Options configure an Endpoint. All fields are required except Proxy, Headers, MinBackoff, MaxBackoff,
// Client and Reasons. Dir, MaxBytes, Lanes and Full are required only for a queue on disk.
type Options struct {
	Name       string // in metrics, status and log
	URL        string // posted to as given
	HTTP       promconfig.HTTPClientConfig
	Proxy      lighter.Secret // URL of the proxy before the endpoint; if empty, HTTP decides
	Headers    map[string]lighter.Secret
	Timeout    time.Duration // of one request
	MinBackoff time.Duration // the first pause between attempts; if 0, package send's default
	MaxBackoff time.Duration // the longest pause; if 0, package send's default
	Client     *http.Client  // if nil, made from HTTP
	Protocol   send.Protocol
	Backend    string // what is expected to respond, such as "Loki"
	Words      Words

	Dir      string // of the queue on disk; empty means no queue on disk
	MaxBytes int64  // limit of the queue on disk
	Lanes    int    // of the queue on disk
	Full     queue.Policy

	Metrics *Metrics
	Reasons []string // why items may be dropped, besides the queue's reasons; counted from 0 on
	Send    *send.Metrics
	Logger  *slog.Logger
}

// Words are parts of log lines about a protocol's items.
type Words struct {
	Items  string // the name of the items, such as "samples"
	Full   string // what happens while the buffer on disk is full
	Failed string // what happens while the disk fails for another reason
}

// Endpoint is the part of an endpoint that all protocols need. Its methods may be called from any
// goroutine.
type Endpoint struct {
	Losses

	Sender *send.Sender
	Disk   *Disk // nil if there is no queue on disk

	name, url string
	client    *http.Client
}

// New returns an Endpoint, with what an earlier process has left in Dir. It opens no connection.
func New(o Options) (*Endpoint, error) {
	var err error
	if o.HTTP, err = send.ThroughProxy(o.HTTP, o.Proxy); err != nil {
		return nil, err
	}
	if o.Client == nil {
		if err := o.HTTP.Validate(); err != nil {
			return nil, fmt.Errorf("HTTP settings: %w", err)
		}
		if o.Client, err = promconfig.NewClientFromConfig(o.HTTP, o.Name); err != nil {
			return nil, fmt.Errorf("HTTP settings: %w", err)
		}
	}
	e := &Endpoint{
		Losses: Losses{endpoint: o.Name, words: o.Words, metrics: o.Metrics, logger: o.Logger.With("endpoint", o.Name), lost: map[string]int64{}},
		name:   o.Name,
		url:    redacted.URL(o.URL),
		client: o.Client,
	}
	for _, reason := range append([]string{queue.ReasonDamaged, stored.ReasonFormat}, o.Reasons...) {
		o.Metrics.Dropped.WithLabelValues(o.Name, reason) // start at 0, so that the first increase shows
	}
	if o.Dir != "" {
		if e.Disk, err = openDisk(o, &e.Losses); err != nil {
			return nil, err
		}
	}
	e.Sender = send.New(send.Options{
		Endpoint:   o.Name,
		Backend:    o.Backend,
		URL:        o.URL,
		Client:     o.Client,
		Proxy:      o.HTTP.ProxyURL.URL,
		Protocol:   o.Protocol,
		Timeout:    o.Timeout,
		Headers:    o.Headers,
		MinBackoff: o.MinBackoff,
		MaxBackoff: o.MaxBackoff,
		Secrets:    redacted.Secrets(o.HTTP, o.URL, slices.Collect(maps.Values(o.Headers))...),
		Delivered:  o.Metrics.Delivered,
		Dropped:    o.Metrics.Dropped,
		Metrics:    o.Send,
		Logger:     o.Logger,
	})
	return e, nil
}

// Flushing returns a context that outlives ctx by d, for sending what is left at the end. stop cancels it,
// and closes idle connections.
func (e *Endpoint) Flushing(ctx context.Context, d time.Duration) (sending context.Context, stop func()) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d, cancel)
		context.AfterFunc(sending, func() { timer.Stop() })
	})
	return sending, func() {
		forget()
		cancel()
		e.client.CloseIdleConnections()
	}
}

// Err returns why the endpoint is not ready, or nil if it is.
func (e *Endpoint) Err() error { return e.Sender.Err() }

// Close releases the resources of New. Nothing that waits may be in use.
func (e *Endpoint) Close() error {
	if e.Disk == nil {
		return nil
	}
	return e.Disk.Close()
}

// Status is an endpoint's state as the status page shows it.
type Status struct {
	send.Status // its Dropped includes lost waiting items, too

	Name    string
	URL     string  // without user info and query
	Waiting Waiting // in memory and on disk
}

// Waiting is the amount of data that is neither delivered nor refused for good.
type Waiting struct {
	Items int
	Bytes int64
}

// Add adds other.
func (w *Waiting) Add(other Waiting) {
	w.Items += other.Items
	w.Bytes += other.Bytes
}

// Status returns the endpoint's present state. inMemory is the amount that waits in memory.
func (e *Endpoint) Status(inMemory Waiting) Status {
	st := Status{Status: e.Sender.Status(), Name: e.name, URL: e.url, Waiting: inMemory}
	e.addLost(st.Dropped)
	if e.Disk != nil {
		st.Waiting.Add(e.Disk.Waiting())
	}
	return st
}
