package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lighter"
)

// Limits of the server. Requests are small and their responses are made at once, so a client that exceeds a
// limit is broken or hostile.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second // enough for a large page over a slow line
	idleTimeout  = time.Minute
	maxHeader    = 16 << 10 // bytes

	// stopTimeout is how long requests in progress may take at a stop. The agent has 5 s to stop, and
	// delivering lines and samples matters more than a page.
	stopTimeout = time.Second
)

// Options are the dependencies and settings of a Server, which owns none of them.
type Options struct {
	Source  Source
	Metrics prometheus.Gatherer // served at /metrics
	Reload  func() error        // reads the configuration again, or returns why it is refused; nil if there is none to read
	Prefix  string              // a path below which everything is also served, for a proxy in front of the server
	Access  *Access             // nil permits everything over plain HTTP
	Names   []string            // further names that are accepted in the Host header, see hosts; empty ones are ignored
	Logger  *slog.Logger
}

// Server serves the agent's own HTTP API. Call Listen and then Run, once each.
type Server struct {
	http     http.Server
	handler  *handler
	hosts    *hosts
	listener net.Listener // nil until Listen
}

// New returns a Server that does nothing until Listen.
func New(o Options) *Server {
	h := newHandler(o)
	return &Server{handler: h, hosts: &h.hosts, http: http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}}
}

// SetAccess replaces the Access for later requests. Open connections keep or lack TLS as before.
func (s *Server) SetAccess(a *Access) { s.handler.access.Store(a) }

// tlsConfig returns the TLS configuration, or nil for plain HTTP.
func (s *Server) tlsConfig() *tls.Config {
	if a := s.handler.access.Load(); a != nil {
		return a.tls
	}
	return nil
}

// Listen listens on the address, host:port, but does not serve yet. So the agent learns that the port is in
// use before it starts anything else. Port 0 means any free port.
func (s *Server) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; another program, perhaps another lighter, listens there: end it, or take another port", err)
	}
	if err != nil {
		return fmt.Errorf("listen on %s (%s): %w", addr, lighter.SettingListen, err)
	}
	s.listener = l
	s.hosts.listen(addr, l.Addr().(*net.TCPAddr).IP)
	return nil
}

// Port returns the port on which the server listens.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Addr returns the host:port at which this machine reaches the server.
func (s *Server) Addr() string {
	addr := s.listener.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// URL returns the URL at which a browser on this machine finds the page.
func (s *Server) URL() string {
	if s.tlsConfig() != nil {
		return "https://" + s.Addr()
	}
	return "http://" + s.Addr()
}

// Run serves until ctx ends, and then returns nil. Requests in progress then have stopTimeout to end.
func (s *Server) Run(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(listener{s.listener, s}) }()

	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", s.listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := s.http.Shutdown(grace)
	if err != nil {
		err = s.http.Close()
	}
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}
