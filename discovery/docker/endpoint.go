package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/go-connections/sockets"
	"github.com/docker/go-connections/tlsconfig"

	"lighter"
	"lighter/discovery/docker/quietconn"
)

const (
	// headerTimeout is how long the headers of a response may take. The Engine sends the headers of
	// a stream before it looks for what to stream.
	headerTimeout = 20 * time.Second
	// readBufferBytes is how much of a log stream is read at once. It equals the Engine's own buffer for a
	// line.
	readBufferBytes = 16 << 10
)

// endpoint is the address at which an Engine listens.
type endpoint struct {
	host    string // the address as written in the settings
	network string // "unix" or "tcp"
	addr    string // path of the socket, or host:port
	base    string // path before the paths of the API; usually empty
	scheme  string // "http" or "https"
}

// tcpHost returns the address in the form that the Docker client requires.
func (e endpoint) tcpHost() string { return e.network + "://" + e.addr + e.base }

// parseHost parses the address of an Engine in the Docker CLI's form.
func parseHost(host string) (endpoint, error) {
	proto, rest, _ := strings.Cut(host, "://")
	e := endpoint{host: host, network: "tcp", scheme: "http"}
	switch proto {
	case "unix":
		if rest == "" || !filepath.IsAbs(rest) {
			return e, fmt.Errorf("docker host %q: want the absolute path of a socket, as in unix:///var/run/docker.sock", host)
		}
		e.network, e.addr = "unix", rest
		return e, nil
	case "https":
		e.scheme = "https"
	case "tcp", "http":
	default:
		return e, errors.New("docker host: want unix://, tcp://, http:// or https://; for an Engine behind ssh forward its socket and give that") // the address is not quoted because it may hold a password
	}
	u, err := url.Parse("tcp://" + rest)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return e, fmt.Errorf("docker host: want %s://address:port", proto) // not quoted either
	}
	e.addr, e.base = u.Host, strings.TrimSuffix(u.Path, "/")
	if u.Port() == "" {
		port := map[string]string{"tcp": "2375", "http": "80", "https": "443"}[proto]
		e.addr = net.JoinHostPort(u.Hostname(), port)
	}
	return e, nil
}

// newTransport returns a transport to e. It sets e's scheme to https if cfg requires TLS.
func newTransport(e *endpoint, cfg Config) (*http.Transport, error) {
	t := &http.Transport{
		ReadBufferSize:        readBufferBytes,
		ResponseHeaderTimeout: headerTimeout,
		TLSHandshakeTimeout:   headerTimeout,
		MaxIdleConns:          6,
		IdleConnTimeout:       30 * time.Second,
	}
	if err := sockets.ConfigureTransport(t, e.network, e.addr); err != nil {
		return nil, fmt.Errorf("docker host %q: %w", cfg.Host, err)
	}
	if dial := t.DialContext; e.network == "unix" {
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return quietconn.Wrap(c), nil
		}
	}
	t.Proxy = nil               // HTTP_PROXY is not meant for the Engine
	t.DisableCompression = true // compression would delay the data of a stream
	if e.network != "tcp" || cfg.CertPath == "" {
		return t, nil
	}
	conf, err := tlsconfig.Client(tlsconfig.Options{
		CAFile:             filepath.Join(cfg.CertPath, "ca.pem"),
		CertFile:           filepath.Join(cfg.CertPath, "cert.pem"),
		KeyFile:            filepath.Join(cfg.CertPath, "key.pem"),
		InsecureSkipVerify: !cfg.TLSVerify,
	})
	if err != nil {
		return nil, fmt.Errorf("read ca.pem, cert.pem and key.pem in %s %q: %w", lighter.SettingCertPath, cfg.CertPath, err)
	}
	conf.NextProtos = []string{"http/1.1"} // the Engine's own protocol, which uses a connection per stream
	t.TLSClientConfig, e.scheme = conf, "https"
	return t, nil
}
