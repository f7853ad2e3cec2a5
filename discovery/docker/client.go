// Package docker discovers the containers of a Docker Engine, and opens their logs.
//
// A Client is the one way to an Engine: it finds out which API version to speak each time
// it connects, knows whether the Engine can be reached, and opens and describes logs for
// whoever collects. What it sends goes through a transport that refuses, in this process
// and whatever the socket allows, all but GET and HEAD on the few paths that are needed.
//
// A Discoverer turns the Engine's containers into targets, labelled as Prometheus's Docker
// discovery labels them, and hands on the whole set at each change: within 50 ms of the
// Engine's event as long as the Engine answers. It starts before the Engine does and
// outlives its restarts. A set never comes from an answer that failed, so what is not in it
// is not there.
//
// Nothing here blocks for good on an Engine that hangs: calls with one answer have a
// timeout, streams have one for their headers and none for their length.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"lighter"
)

const (
	// callTimeout is for one call with one answer. A list of a thousand containers on a
	// loaded machine takes seconds.
	callTimeout = 30 * time.Second
	// inspectTimeout is shorter: the Engine may hang on one container while it answers for all others.
	inspectTimeout = 5 * time.Second
)

// Client asks one Engine, and only reads. Its methods may be called from any goroutine.
type Client struct {
	cfg       Config
	target    endpoint
	transport *http.Transport
	health    health
	own       []string // beginnings of the id of the container that this process runs in

	mu       sync.Mutex
	api      *client.Client // of the present connection; nil: connect first
	hostName string         // as the Engine told last
}

// LogOptions say what of a log is wanted.
type LogOptions struct {
	Since  int64 // Unix nanoseconds of the first line; 0 is all
	Follow bool  // until the container stops
	Tail   int   // last lines; 0 is all, and less is none but those to come
}

// NewClient returns a Client that connects when it is first asked something. It fails if
// cfg.Host is of no kind it knows or the certificates cannot be read.
func NewClient(cfg Config, logger *slog.Logger) (*Client, error) {
	target, err := parseHost(cfg.Host)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(&target, cfg)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, target: target, transport: transport, health: newHealth(logger), own: OwnIDs()}, nil
}

// Close gives back the connections that nobody uses. Streams that are open stay so.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// OpenLogs opens a container's log: stdout and stderr, each message with its time. It is
// framed, unless the container has a TTY. The stream ends with ctx, and the caller closes
// it. An error wraps ErrGone or ErrUnreadable where it is of that kind.
func (c *Client) OpenLogs(ctx context.Context, id string, o LogOptions) (io.ReadCloser, error) {
	asked := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: o.Follow}
	if o.Since > 0 {
		asked.Since = fmt.Sprintf("%d.%09d", o.Since/int64(time.Second), o.Since%int64(time.Second))
	}
	if o.Tail != 0 {
		asked.Tail = strconv.Itoa(max(o.Tail, 0))
	}
	var body io.ReadCloser
	err := c.do(ctx, 0, "open the log", "/containers/"+id+"/logs", func(ctx context.Context, api *client.Client) (err error) {
		body, err = api.ContainerLogs(ctx, id, asked)
		return err
	})
	return body, err
}

// Inspect describes a container as it is now. An error wraps ErrGone if there is none.
func (c *Client) Inspect(ctx context.Context, id string) (*lighter.Container, error) {
	var answer container.InspectResponse
	var version string
	err := c.do(ctx, inspectTimeout, "inspect the container", "/containers/"+id+"/json", func(ctx context.Context, api *client.Client) (err error) {
		version = api.ClientVersion()
		answer, err = api.ContainerInspect(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.describe(answer, version)
}

// HostName is what the Engine calls its host, or empty while that cannot be had. It asks
// when it does not know yet.
func (c *Client) HostName(ctx context.Context) string {
	name, err := c.askHostName(ctx)
	if err != nil {
		return ""
	}
	return name
}

// askHostName returns an error only if asking again may help: a proxy that keeps
// /info to itself makes the name empty.
func (c *Client) askHostName(ctx context.Context) (string, error) {
	c.mu.Lock()
	name := c.hostName
	c.mu.Unlock()
	if name != "" {
		return name, nil
	}
	err := c.do(ctx, callTimeout, "ask the Engine for its host's name", "/info", func(ctx context.Context, api *client.Client) error {
		info, err := api.Info(ctx)
		name = info.Name
		return err
	})
	if err != nil {
		if errors.Is(err, errRefused) {
			return "", nil
		}
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hostName = name
	return name, nil
}

// Status tells whether the Engine can be reached, as far as a running Discoverer knows.
func (c *Client) Status() Status {
	st := c.health.status()
	c.mu.Lock()
	defer c.mu.Unlock()
	st.HostName = c.hostName
	return st
}

// connect finds out which API version to speak, from scratch: the Engine behind a socket
// may have become another one. It is the version of all calls until the next connect.
func (c *Client) connect(ctx context.Context) (*client.Client, error) {
	api, err := client.NewClientWithOpts(
		client.WithHost(c.target.tcpHost()), // sets the transport of the client's own that the next option replaces
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api = api
	return api, nil
}

// do makes a call over the present connection, or over a new one if there is none. A
// timeout of 0 leaves it to ctx how long the answer may take.
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

// call bounds a call in time and says of its error what was tried, why it failed and what to do.
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
		return fmt.Errorf("%s: the Engine at %s has not answered within %s", what, c.cfg.Host, timeout)
	}
	return fmt.Errorf("%s: %w", what, explain(err, path))
}
