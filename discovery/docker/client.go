// Package docker discovers the containers of a Docker Engine, and opens their logs.
//
// A Client sends all requests to an Engine. It negotiates the API version each time it connects,
// knows whether the Engine can be reached, inspects containers and opens their logs. Its requests
// pass a transport that refuses everything but GET and HEAD on the few paths that lighter needs, even
// if the socket allows more.
//
// A Discoverer turns the Engine's containers into targets with the labels of Prometheus's Docker discovery.
// It passes on the complete set of targets whenever the set changes, within 50 ms of the Engine's event as
// long as the Engine responds. It may be started before the Engine, and outlives the Engine's restarts. It
// never makes a set from a failed request, so with Config.Stopped and without Config.Filters a container
// that is not in the set does not exist.
//
// Nothing in this package blocks forever on an Engine that hangs. A request with a single response has a
// timeout. A stream has a timeout for the headers of the response, but its duration is not limited.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"lighter"
)

const (
	// callTimeout is how long a request with a single response may take. A list of a thousand
	// containers takes seconds on a loaded machine.
	callTimeout = 30 * time.Second
	// inspectTimeout is shorter because the Engine may hang on one container while it responds for
	// all others.
	inspectTimeout = 5 * time.Second
	// infoTimeout is shorter still because logs wait for this response, and can do without it.
	infoTimeout = 3 * time.Second
)

// Client sends read-only requests to one Engine. Its methods may be called from any goroutine.
type Client struct {
	cfg       Config
	target    endpoint
	transport *http.Transport
	health    health
	self      Self

	mu       sync.Mutex
	api      *client.Client // with the negotiated version; nil if the next request must connect first
	engine   engine         // what the Engine behind api reported about itself
	hostName string         // as last reported by the Engine
}

// engine is what an Engine reports about itself; the zero value if unknown.
type engine struct {
	version string
	podman  bool
}

// LogOptions select a part of a log.
type LogOptions struct {
	Since  int64 // Unix nanoseconds of the first line; 0 selects all lines
	Follow bool  // continue until the container stops
	Tail   int   // number of last lines; 0 selects all lines, a negative number only lines yet to come
}

// NewClient returns a Client that connects at its first request. It returns an error if cfg.Host is not a
// valid address, or if the certificates cannot be read.
func NewClient(cfg Config, logger *slog.Logger) (*Client, error) {
	target, err := parseHost(cfg.Host)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(&target, cfg)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, target: target, transport: transport, health: newHealth(logger), self: OwnContainer()}, nil
}

// Close closes the idle connections. Open streams stay open.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// OpenLogs opens a container's log: stdout and stderr, each message with its time. The messages are in
// frames unless the container has a TTY. The stream ends with ctx, and the caller must close it. The error
// wraps lighter.ErrGone if the container no longer exists, and lighter.ErrUnreadable if its log cannot be
// read.
func (c *Client) OpenLogs(ctx context.Context, id string, o LogOptions) (io.ReadCloser, error) {
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: o.Follow}
	if o.Since > 0 {
		options.Since = fmt.Sprintf("%d.%09d", o.Since/int64(time.Second), o.Since%int64(time.Second))
	}
	if o.Tail != 0 {
		options.Tail = strconv.Itoa(max(o.Tail, 0))
	}
	var body io.ReadCloser
	err := c.do(ctx, 0, "open the log", "/containers/"+id+"/logs", func(ctx context.Context, api *client.Client) (err error) {
		body, err = api.ContainerLogs(ctx, id, options)
		return err
	})
	return body, err
}

// Inspect describes the present state of a container, without setting Self. The error wraps lighter.ErrGone
// if the container no longer exists.
func (c *Client) Inspect(ctx context.Context, id string) (*lighter.Container, error) {
	described, err := c.inspect(ctx, id)
	return described.container, err
}

// inspect is like Inspect, but also returns what may identify the container as the agent's own.
func (c *Client) inspect(ctx context.Context, id string) (description, error) {
	var response container.InspectResponse
	var version string
	err := c.do(ctx, inspectTimeout, "inspect the container", "/containers/"+id+"/json", func(ctx context.Context, api *client.Client) (err error) {
		version = api.ClientVersion()
		response, err = api.ContainerInspect(ctx, id)
		return err
	})
	if err != nil {
		return description{}, err
	}
	return c.describe(response, version, c.isPodman())
}

func (c *Client) isPodman() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.podman
}

// engineVersion returns the version of the Engine, or "" if it is unknown.
func (c *Client) engineVersion() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.version
}

// HostName returns the Engine's name of its host, or "" if the Engine does not report it. It asks the
// Engine unless the name is known.
func (c *Client) HostName(ctx context.Context) string {
	name, err := c.fetchHostName(ctx)
	if err != nil {
		return ""
	}
	return name
}

// fetchHostName is like HostName, but returns an error if the Engine does not report the name.
func (c *Client) fetchHostName(ctx context.Context) (string, error) {
	c.mu.Lock()
	name := c.hostName
	c.mu.Unlock()
	if name != "" {
		return name, nil
	}
	err := c.do(ctx, infoTimeout, "ask the Engine for its host's name", "/info", func(ctx context.Context, api *client.Client) error {
		info, err := api.Info(ctx)
		name = info.Name
		return err
	})
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hostName = name
	return name, nil
}

// Status returns whether the Engine can be reached, as last determined by a running Discoverer.
func (c *Client) Status() Status {
	st := c.health.status()
	c.mu.Lock()
	defer c.mu.Unlock()
	st.HostName = c.hostName
	return st
}

// connect negotiates the API version of all requests until the next connect, and asks the Engine what it
// is. It uses nothing from earlier connections, because another Engine may be behind the socket now.
func (c *Client) connect(ctx context.Context) (*client.Client, error) {
	api, err := client.NewClientWithOpts(
		client.WithHost(c.target.tcpHost()), // makes a transport, which the next option replaces
		client.WithHTTPClient(&http.Client{Transport: &readOnly{c.target, c.transport}, CheckRedirect: client.CheckRedirect}),
		client.WithScheme(c.target.scheme),
		client.WithVersion(c.cfg.APIVersion),
		client.WithUserAgent("lighter"),
	)
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", c.cfg.Host, err)
	}
	err = c.call(ctx, callTimeout, "reach the Engine", "/_ping", func(ctx context.Context) error {
		ping, err := api.Ping(ctx)
		if err == nil {
			api.NegotiateAPIVersionPing(ping)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var e engine
	err = c.call(ctx, callTimeout, "ask the Engine for its version", "/version", func(ctx context.Context) error {
		v, err := api.ServerVersion(ctx)
		e.version = v.Version
		e.podman = slices.ContainsFunc(v.Components, func(c types.ComponentVersion) bool { return c.Name == "Podman Engine" })
		return err
	})
	if err != nil && (errors.Is(err, errDisconnected) || ctx.Err() != nil) {
		return nil, err
	} // any other error does not matter: an unknown Engine counts as Docker's
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api, c.engine = api, e
	return api, nil
}

// do calls f with the present API client, and connects first if there is none. See call for what and path.
// With a timeout of 0, only ctx limits the time.
func (c *Client) do(ctx context.Context, timeout time.Duration, what, path string, f func(context.Context, *client.Client) error) error {
	c.mu.Lock()
	api := c.api
	c.mu.Unlock()
	if api == nil {
		var err error
		if api, err = c.connect(ctx); err != nil {
			return err
		}
	}
	err := c.call(ctx, timeout, what, path, func(ctx context.Context) error { return f(ctx, api) })
	if errors.Is(err, errDisconnected) {
		c.mu.Lock()
		if c.api == api {
			c.api = nil
		}
		c.mu.Unlock()
	}
	return err
}

// call calls f with a time limit. Its error contains what was tried, why that failed and a remedy. what is
// a phrase such as "inspect the container", and path is the requested path.
func (c *Client) call(ctx context.Context, timeout time.Duration, what, path string, f func(context.Context) error) error {
	inner := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err := f(inner)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: the Engine at %s has not responded within %s", what, c.cfg.Host, timeout)
	}
	if err = explain(err, path); c.cfg.APIVersion != "" && isVersion(err) {
		return fmt.Errorf("%s: %w; %s=%s sets that version: leave it unset, and a version that both know is chosen", what, err, lighter.SettingAPIVersion, c.cfg.APIVersion)
	}
	return fmt.Errorf("%s: %w", what, err)
}
