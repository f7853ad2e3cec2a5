// Package http finds targets by asking a server for its target groups, as Alloy's discovery.http and Prometheus's
// HTTP discovery do.
//
// A target has the label __meta_url, without user information. While the server cannot be reached, or does not
// answer with 200 and a JSON list of target groups, the last targets are kept.
package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"

	"lighter"
	"lighter/discovery"
	"lighter/discovery/groups"
)

// Config says which server to ask.
type Config struct {
	URL             string
	RefreshInterval time.Duration // between two requests; also the time limit of a request, unless it is below minTimeout
	HTTP            promconfig.HTTPClientConfig
}

// DefaultConfig returns the Config of a discovery that sets only the URL.
func DefaultConfig() Config {
	return Config{RefreshInterval: time.Minute, HTTP: promconfig.DefaultHTTPClientConfig}
}

const urlLabel = "__meta_url"

// minTimeout is the lowest time limit of a request.
const minTimeout = 5 * time.Second

// maxBytes is the maximum size of an answer.
const maxBytes = 64 << 20

// Validate reports what is wrong with the Config.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL, which may contain a password
		}
		return fmt.Errorf("the URL cannot be parsed: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("the URL %q does not begin with http:// or https:// and a host", withoutQuery(u))
	}
	return c.HTTP.Validate()
}

// Discoverer asks a server for targets. Run may be called once.
type Discoverer struct {
	cfg    Config
	logger *slog.Logger
	client *http.Client
	label  string           // the URL for the label of targets, without a password
	shown  string           // the URL for the log, without the query, which may contain a token
	asks   lighter.Failures // of requests
}

// New returns a Discoverer that does nothing until Run. userAgent is the User-Agent of its requests.
func New(cfg Config, userAgent string, logger *slog.Logger) (*Discoverer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	client, err := promconfig.NewClientFromConfig(cfg.HTTP, "discovery", promconfig.WithUserAgent(userAgent))
	if err != nil {
		return nil, fmt.Errorf("make an HTTP client: %w", err)
	}
	if cfg.RefreshInterval <= 0 {
		cfg.RefreshInterval = DefaultConfig().RefreshInterval
	}
	client.Timeout = max(cfg.RefreshInterval, minTimeout)
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	u.User = nil
	label := u.String()
	return &Discoverer{cfg: cfg, logger: logger, client: client, label: label, shown: withoutQuery(u)}, nil
}

// withoutQuery returns a URL without the parts that may be secret.
func withoutQuery(u *url.URL) string {
	shown := *u
	shown.User, shown.RawQuery, shown.ForceQuery, shown.Fragment, shown.RawFragment = nil, "", false, "", ""
	return shown.String()
}

// Run implements discovery.Source.
func (d *Discoverer) Run(ctx context.Context, update func([]lighter.Target)) error {
	defer d.client.CloseIdleConnections()
	return discovery.Refresh(ctx, d.cfg.RefreshInterval, func(ctx context.Context) ([]lighter.Target, bool) {
		targets, err := d.ask(ctx)
		if ctx.Err() != nil {
			return nil, false
		}
		if d.asks.Set(err) {
			if err != nil {
				d.logger.Error("the server cannot be asked for targets: the last targets are kept", "url", d.shown, "error", err)
			} else {
				d.logger.Info("the server can be asked for targets again", "url", d.shown)
			}
		}
		return targets, err == nil
	}, update)
}

var isJSON = regexp.MustCompile(`^(?i:application/json(;\s*charset=("utf-8"|utf-8))?)$`)

func (d *Discoverer) ask(ctx context.Context) ([]lighter.Target, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.cfg.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Prometheus-Refresh-Interval-Seconds", strconv.FormatFloat(d.cfg.RefreshInterval.Seconds(), 'f', -1, 64))
	resp, err := d.client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL, whose query may contain a token
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers with the status %d", resp.StatusCode)
	}
	if kind := resp.Header.Get("Content-Type"); !isJSON.MatchString(strings.TrimSpace(kind)) {
		return nil, fmt.Errorf("the server answers with the Content-Type %.60q instead of application/json", kind)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(text) > maxBytes {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxBytes)
	}
	return groups.JSON(text, urlLabel, d.label)
}
