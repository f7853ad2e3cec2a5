// Package endpoint is what the endpoints of all protocols have in common: the HTTP client and the
// sender, the queue on disk, what is counted and logged of what waits, the status, and the time to
// flush at the end.
//
// A protocol's package makes an Endpoint, fills its queue and sends what is in it. How items are
// encoded and put together is its business, and so is what a refusal means.
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

// Options are what an Endpoint is made of. All but Proxy, Headers, MinBackoff, MaxBackoff, Client, Reasons and, where there is no
// queue on disk, Dir, MaxBytes, Lanes and Full are required.
type Options struct {
	Name       string // in metrics, status and log
	URL        string // posted to as given
	HTTP       promconfig.HTTPClientConfig
	Proxy      lighter.Secret // URL of the proxy before the endpoint; empty leaves what HTTP says
	Headers    map[string]lighter.Secret
	Timeout    time.Duration // of one request
	MinBackoff time.Duration // the first pause between attempts; package send's own if 0
	MaxBackoff time.Duration // the longest one; likewise
	Client     *http.Client  // nil: made of HTTP
	Protocol   send.Protocol
	Backend    string // what should respond, such as "Loki"
	Words      Words

	Dir      string // of the queue on disk; empty: there is none
	MaxBytes int64  // of that
	Lanes    int    // of that
	Full     queue.Policy

	Metrics *Metrics
	Reasons []string // why items may be dropped, beside those of the queue: counted from 0 on
	Send    *send.Metrics
	Logger  *slog.Logger
}

// Words are what log lines say of a protocol's items.
type Words struct {
	Items  string // what they are, such as "samples"
	Full   string // what happens while the buffer on disk is full
	Failed string // what happens while the disk does not take them for another reason
}

// Endpoint is what all protocols need of one endpoint. Its methods may be called from any goroutine.
type Endpoint struct {
	Losses

	Sender *send.Sender
	Disk   *Disk // nil if there is none

	name, url string
	client    *http.Client
}

// New returns an Endpoint, with what an earlier process has left in Dir. Nothing is dialled.
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
		o.Metrics.Dropped.WithLabelValues(o.Name, reason) // at 0, so that an increase shows from the first on
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

// Flushing returns a context that outlives ctx by d, for what is sent at the end. stop ends it, and
// closes the connections that are idle.
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

// Err returns why the endpoint is to be called not ready, nil if it is ready.
func (e *Endpoint) Err() error { return e.Sender.Err() }

// Close gives back what New took. Nothing of what waits may be in use.
func (e *Endpoint) Close() error {
	if e.Disk == nil {
		return nil
	}
	return e.Disk.Close()
}

// Status is an endpoint's state as the status page shows it.
type Status struct {
	send.Status // its Dropped holds what was lost of what waited, too

	Name    string
	URL     string  // without user info and parameters
	Waiting Waiting // in memory and on disk
}

// Waiting is how much is neither delivered nor refused for good.
type Waiting struct {
	Items int
	Bytes int64
}

// Add adds other.
func (w *Waiting) Add(other Waiting) {
	w.Items += other.Items
	w.Bytes += other.Bytes
}

// Status returns what the endpoint's state is now. inMemory is what waits there.
func (e *Endpoint) Status(inMemory Waiting) Status {
	st := Status{Status: e.Sender.Status(), Name: e.name, URL: e.url, Waiting: inMemory}
	e.addLost(st.Dropped)
	if e.Disk != nil {
		st.Waiting.Add(e.Disk.Waiting())
	}
	return st
}
