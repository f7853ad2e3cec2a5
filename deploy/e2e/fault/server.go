// Package fault provides a backend that misbehaves on command: a server of Loki's push API and of remote
// write 1.0 that refuses, stalls, lies and hangs up as a scenario requests.
//
// It stores what it accepts in a compact form: of a line its time, a hash and the generator's number
// (Lines), of a sample its time and value (Samples), both in the order of arrival and with repetitions. So a
// test can determine what was lost, what arrived twice and whether it was the same, and what arrived out of
// order. It decodes with the protocols' own packages and shares no code with the agent.
package fault

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"lighter/deploy/e2e/again"
)

// The paths of the two protocols.
const (
	PushPath  = "/loki/api/v1/push"
	WritePath = "/api/v1/write"
)

// Server accepts both protocols. It is safe for concurrent use.
type Server struct {
	// Lines and Samples contain the accepted data.
	Lines   Lines
	Samples Samples

	address string // host:port

	mu       sync.Mutex
	fault    Fault // nil if it behaves correctly
	number   int   // number of requests since the fault was set
	statuses map[int]int
	errs     []error
	server   *http.Server // nil while it refuses connections
}

// New starts a server without a fault on a free port of host.
func New(host string) (*Server, error) {
	s := &Server{address: net.JoinHostPort(host, "0"), statuses: make(map[int]int)}
	return s, s.Open()
}

// URL returns the base URL of both paths.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.address
}

// Open accepts connections again after Refuse, at the same address.
func (s *Server) Open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}
	l, err := again.Listen(s.address)
	if err != nil {
		return fmt.Errorf("fault backend: %w", err)
	}
	s.address = l.Addr().String()
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.server = srv
	go func() { _ = srv.Serve(l) }() // ends with Refuse
	return nil
}

// Refuse completes the requests in progress, for up to five seconds, and then refuses connections.
func (s *Server) Refuse() error {
	s.mu.Lock()
	srv := s.server
	s.server = nil
	s.mu.Unlock()
	if srv == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if srv.Shutdown(ctx) == nil {
		return nil
	}
	return srv.Close()
}

// Misbehave lets the fault respond to every request from now on; nil ends that.
func (s *Server) Misbehave(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.number = f, 0
}

// Misbehaved returns the number of requests that the fault has handled or is handling.
func (s *Server) Misbehaved() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.number
}

// Statuses returns the number of responses by status.
func (s *Server) Statuses() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.statuses)
}

// Errors returns the errors of requests: a path or a body that neither protocol defines.
func (s *Server) Errors() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f := s.fault
	if f != nil {
		s.number++
	}
	x := &Exchange{Number: s.number, Request: r, server: s, w: w}
	s.mu.Unlock()
	if f == nil {
		f = behave
	}
	f(x)
}

// take decodes a body and stores its content, without the first refused entries. cut applies to the
// entries.
func (s *Server) take(path string, body []byte, refused int, cut bool) (taken, error) {
	var t taken
	var err error
	switch path {
	case PushPath:
		t, err = s.Lines.take(body, refused, cut)
	case WritePath:
		err = s.Samples.take(body)
	default:
		err = fmt.Errorf("a request to %s", path)
	}
	if err != nil {
		s.mu.Lock()
		s.errs = append(s.errs, err)
		s.mu.Unlock()
	}
	return t, err
}
