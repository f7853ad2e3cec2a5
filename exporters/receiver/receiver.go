// Package receiver implements a server for both push protocols, Prometheus remote write (1.0, 2.0) and
// Loki. It stores what it receives, for inspection.
//
// `lighter demo` sends to it, and tests use it as the backend of an exporter. It is stricter than a real
// backend: it refuses and records what the protocols forbid (Violations), even where Prometheus and Loki
// accept some of it. Everything stays in memory as long as the Server, samples at 24 bytes each and lines
// at their length: it is not a database.
//
// A Server is an http.Handler; Listen, URL and Close make it a stand-alone server. All methods may be
// called from any goroutine.
package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// The paths of the two protocols.
const (
	WritePath = "/api/v1/write"
	PushPath  = "/loki/api/v1/push"
)

// Respond may respond to a request in place of the Server, before any of it is read or stored. body is the
// body as received, compressed (DecodeWrite and DecodePush decode it). If handled is false, the Server
// handles the request as usual. A hook that blocks until the request's context ends simulates a slow
// backend or a black hole; one that panics with http.ErrAbortHandler cuts the connection. Several
// goroutines may call it concurrently.
type Respond func(r *http.Request, body []byte) (status int, header http.Header, text string, handled bool)

// Options limit what a Server accepts.
type Options struct {
	MaxBodyBytes int64 // of a compressed request; a longer one gets 413; if zero, 64 MiB
}

const (
	defaultMaxBodyBytes = 64 << 20
	maxViolations       = 100 // enough to understand, and bounded
	closeTimeout        = time.Second
)

// Server accepts both protocols. Use New; the zero value is not usable.
type Server struct {
	opts Options

	mu         sync.Mutex // guards the following fields, samples and logs included
	respond    Respond
	limited    func(labels.Labels) bool
	violations []string
	requests   int
	samples    sampleStore
	logs       logStore

	http     *http.Server // nil until Listen
	listener net.Listener
	served   chan struct{} // closed when the goroutine of Listen has ended
}

// New returns a Server that is a handler; it does not listen.
func New(o Options) *Server {
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = defaultMaxBodyBytes
	}
	return &Server{opts: o, samples: newSampleStore()}
}

// Respond installs a hook, or removes it if f is nil.
func (s *Server) Respond(f Respond) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.respond = f
}

// Limit makes the Server refuse the log streams for which limited returns true, as Loki does at its limit
// for a stream. It stores the other streams of a request, and responds with 429 and the name of the last
// stream if it has not stored that one. If it has, it responds with 204, and nothing indicates that other
// streams are missing (Loki 3.7, pkg/ingester/instance.go, Push). nil removes the limit.
func (s *Server) Limit(limited func(labels.Labels) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited = limited
}

// Requests returns the number of requests to the two paths, including those that a hook handled.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Violations returns the first hundred violations of a protocol. Samples and lines that are out of order do
// not count; other methods count them.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.violations...)
}

func (s *Server) violated(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.violations) < maxViolations {
		s.violations = append(s.violations, err.Error())
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var handle func(http.ResponseWriter, *http.Request)
	switch r.URL.Path {
	case WritePath:
		handle = s.handleWrite
	case PushPath:
		handle = s.handleLoki
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only POST is allowed here", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBodyBytes))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			http.Error(w, fmt.Sprintf("request body too large: more than %d bytes", s.opts.MaxBodyBytes), http.StatusRequestEntityTooLarge)
		}
		return // the client went away in the middle of the body
	}
	s.mu.Lock()
	s.requests++
	respond := s.respond
	s.mu.Unlock()
	if respond != nil {
		if status, header, text, handled := respond(r, body); handled {
			answer(w, status, header, text)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	handle(w, r)
}

func answer(w http.ResponseWriter, status int, header http.Header, text string) {
	for name, values := range header {
		w.Header()[name] = values
	}
	if status == 0 {
		status = http.StatusOK // like a handler without a response; a black hole's client is gone anyway
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // an error means that the client went away
}

// Listen serves on addr, such as "127.0.0.1:0", in a goroutine that ends with Close.
func (s *Server) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("receiver: listen on %s: %w", addr, err)
	}
	s.listener = l
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // always http.ErrServerClosed: only Close ends it
	}()
	return nil
}

// URL returns the base of the Server's addresses, such as http://127.0.0.1:34567. Call it after Listen.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends what Listen began: it waits up to a second for requests in progress, then cuts them. What was
// stored can still be read.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.served
	return err
}
