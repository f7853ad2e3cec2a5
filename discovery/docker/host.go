package docker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/go-connections/sockets"
	"github.com/docker/go-connections/tlsconfig"
)

const (
	// headerTimeout is how long an answer may take to begin. The Engine sends a stream's
	// headers before it looks for what to stream.
	headerTimeout = 20 * time.Second
	// readBufferBytes is one read of a log stream: the Engine's own buffer of a line.
	readBufferBytes = 16 << 10
)

// endpoint is where an Engine listens.
type endpoint struct {
	host    string // as it was given
	network string // "unix" or "tcp"
	addr    string // socket file, or host:port
	base    string // path before the API's, mostly empty
	scheme  string // "http" or "https"
}

// tcpHost is the host as the Docker client wants it.
func (e endpoint) tcpHost() string { return e.network + "://" + e.addr + e.base }

// parseHost reads a DOCKER_HOST.
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
		return e, fmt.Errorf("docker host %q: want unix://, tcp://, http:// or https://; for an Engine behind ssh forward its socket and give that", host)
	}
	u, err := url.Parse("tcp://" + rest)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return e, fmt.Errorf("docker host: want %s://address:port", proto) // not quoted: it may hold a password
	}
	e.addr, e.base = u.Host, strings.TrimSuffix(u.Path, "/")
	if u.Port() == "" {
		port := map[string]string{"tcp": "2375", "http": "80", "https": "443"}[proto]
		e.addr = net.JoinHostPort(u.Hostname(), port)
	}
	return e, nil
}

// newTransport returns a transport to e, and makes e's scheme https if cfg asks for TLS.
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
			return quiet(c), nil
		}
	}
	t.DisableCompression = true // a stream that is compressed is a stream that is late
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
		return nil, fmt.Errorf("read ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH %q: %w", cfg.CertPath, err)
	}
	conf.NextProtos = []string{"http/1.1"} // the Engine's own; a stream is a connection
	t.TLSClientConfig, e.scheme = conf, "https"
	return t, nil
}

// unreachable is why a request got no answer, and what may help. It is none of package
// net's errors: the Docker client replaces those with one that does not say why.
type unreachable struct {
	target endpoint
	err    error
}

func (u *unreachable) Unwrap() error { return u.err }

func (u *unreachable) Error() string {
	return "no answer from " + u.target.host + ": " + u.why()
}

func (u *unreachable) why() string {
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(u.err, syscall.ENOENT):
		return "there is no such socket; is Docker running, and its socket mounted?"
	case errors.Is(u.err, syscall.EACCES):
		return "permission denied; " + u.group()
	case errors.Is(u.err, syscall.ECONNREFUSED) && u.target.network == "unix":
		if unlinked(u.target.addr) {
			return "the socket is a file that Docker has since replaced; mount its directory instead of the file, then a new one is seen"
		}
		return "nobody listens; is Docker running? If it is, it has replaced a socket that was mounted as a file: mount its directory instead"
	case errors.Is(u.err, syscall.ECONNREFUSED):
		return "nobody listens there; is Docker running?"
	case errors.As(u.err, &certificate):
		return certificate.Error() + "; is ca.pem in DOCKER_CERT_PATH the Engine's?"
	case strings.Contains(u.err.Error(), "malformed HTTP response"):
		return "it does not speak plain HTTP; does it want TLS (DOCKER_CERT_PATH)?"
	case errors.As(u.err, &timeout) && timeout.Timeout():
		return "timed out"
	}
	return strings.NewReplacer("dial unix", "connect", "connection refused", "refused").Replace(u.err.Error())
}

// group names the group that may use the socket.
func (u *unreachable) group() string {
	info, err := os.Stat(u.target.addr)
	if err != nil {
		return "the user of this process must be allowed to use the socket"
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("the socket belongs to group %d: add it (group_add, --group-add %d)", st.Gid, st.Gid)
	}
	return "the user of this process must be in the socket's group"
}

// unlinked reports whether a file is only there because it is mounted.
func unlinked(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}
