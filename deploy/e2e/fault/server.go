// Package fault is a backend that misbehaves on command: a server of Loki's push API and of
// remote write 1.0 that refuses, stalls, lies and hangs up as a scenario tells it to.
//
// What it does take it keeps, small: of a line its time, a hash and the number that the
// generator gave it (Lines), of a sample its time and value (Samples), both in the order in
// which they came and as often. So a test can say what was lost, what came twice and whether
// it was the same, and what came out of order. It decodes by the protocols' own packages and
// shares nothing with the agent.
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

// Server takes both protocols. It is safe for concurrent use.
type Server struct {
	// Lines and Samples are what was taken.
	Lines   Lines
	Samples Samples

	address string // host:port

	mu       sync.Mutex
	fault    Fault // nil: it behaves
	number   int   // of requests since the fault was set
	statuses map[int]int
	errs     []error
	server   *http.Server // nil while it refuses connections
}

// New serves on a free port of host, well-behaved.
func New(host string) (*Server, error) {
	s := &Server{address: net.JoinHostPort(host, "0"), statuses: make(map[int]int)}
	return s, s.Open()
}

// URL is the base of both paths.
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

// Refuse answers the requests under way, for up to five seconds, and then refuses connections.
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

// Misbehave answers every request from now on by the fault; nil ends it.
func (s *Server) Misbehave(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.number = f, 0
}

// Misbehaved is how many requests the fault has answered, or is answering.
func (s *Server) Misbehaved() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.number
}

// Statuses is how often each status was answered.
func (s *Server) Statuses() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.statuses)
}

// Errors returns what was wrong with requests: a path or a body that neither protocol knows.
func (s *Server) Errors() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs
}

// ServeHTTP answers one request.
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

// take decodes a body and keeps what is in it, without the first refused entries. cut is of the
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
