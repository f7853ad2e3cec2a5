package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limits of the server. A request of the agent's own API is small and its answer is
// made at once, so whoever is slower than this is broken or hostile.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second // a large page over a slow line
	idleTimeout  = time.Minute
	maxHeader    = 16 << 10 // bytes

	// stopTimeout is what requests in flight get at a stop. The agent's stop takes 5 s
	// in all, and delivering matters more than a page.
	stopTimeout = time.Second
)

// Options are what a Server needs. It owns none of it.
type Options struct {
	Source  Source
	Metrics prometheus.Gatherer // what /metrics shows
	Logger  *slog.Logger
}

// Server serves the agent's own HTTP API. Listen first, then Run, once each.
type Server struct {
	http     http.Server
	listener net.Listener // nil until Listen
}

// New returns a Server that does nothing until Listen.
func New(o Options) *Server {
	return &Server{http: http.Server{
		Handler:           newHandler(o),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}}
}

// Listen takes the address, host:port, so that a port in use is known before anything
// else starts. Port 0 is any free one.
func (s *Server) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s (LIGHTER_LISTEN): %w", addr, err)
	}
	s.listener = l
	return nil
}

// Port returns the port that Listen took.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Addr returns host:port at which this machine reaches the server.
func (s *Server) Addr() string {
	addr := s.listener.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// URL returns where a browser on this machine finds the page.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Run serves until ctx ends, which it reports as nil. Requests in flight then have a
// moment to end, and are cut after it.
func (s *Server) Run(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()

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

// Close gives the address back when Run is never reached. After Run it does nothing.
func (s *Server) Close() error {
	if s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
