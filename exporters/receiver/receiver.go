// Package receiver is a server of both push protocols, Prometheus remote write (1.0, 2.0) and
// Loki, that keeps what it is sent and can be asked for it.
//
// It is what `lighter demo` sends to and what tests stand before an exporter. It is
// stricter than a real backend: what the protocols forbid is refused and remembered
// (Violations), where Prometheus and Loki let some of it pass. All it takes stays in
// memory until the Server is dropped, samples at 24 bytes each and lines at their length:
// it is no database.
//
// A Server is an http.Handler; Listen, URL and Close make it a server of its own. All
// methods may be called from any goroutine.
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

// Respond may answer a request in the Server's place, before anything of it is read or
// kept. body is as it came, compressed (DecodeWrite and DecodePush read it). When handled
// is false the request is treated as usual. A hook that blocks until the request's context
// ends is a slow backend or a black hole; one that panics with http.ErrAbortHandler cuts
// the connection. It is called from many goroutines at once.
type Respond func(r *http.Request, body []byte) (status int, header http.Header, text string, handled bool)

// Options bound what a Server accepts.
type Options struct {
	MaxBodyBytes int64 // of a request, compressed; a longer one is answered with 413. If zero, 64 MiB.
}

const (
	defaultMaxBodyBytes = 64 << 20
	maxViolations       = 100 // enough to understand, and bounded
	closeTimeout        = time.Second
)

// Server takes both protocols. Its zero value is not usable, New makes one.
type Server struct {
	opts Options

	mu         sync.Mutex // guards what follows, samples and logs included
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

// New returns a Server that is a handler; it listens nowhere yet.
func New(o Options) *Server {
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = defaultMaxBodyBytes
	}
	return &Server{opts: o, samples: newSampleStore()}
}

// Respond installs a hook, or with nil removes it.
func (s *Server) Respond(f Respond) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.respond = f
}

// Limit makes the Server refuse the log streams that limited reports, as Loki does at its limit for
// a stream: it stores the others of a request, and answers 429 with the name of the last stream if it has
// not stored that one. If it has, it answers 204, and nothing tells that others are missing (Loki 3.7,
// pkg/ingester/instance.go, Push). nil ends that.
func (s *Server) Limit(limited func(labels.Labels) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited = limited
}

// Requests counts the requests to the two paths, those that a hook answered included.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Violations are the breaches of a protocol seen so far, the first hundred of them.
// Samples and lines out of order are counted by their own methods and are none.
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
		return // the client went away in mid-body
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
		status = http.StatusOK // as a handler that says nothing; a black hole's client is gone anyway
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client's loss if it went away
}

// Listen serves on addr, such as "127.0.0.1:0", from a goroutine that ends with Close.
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
		_ = s.http.Serve(l) // always http.ErrServerClosed: it ends by Close alone
	}()
	return nil
}

// URL is the base of the Server's addresses, such as http://127.0.0.1:34567. Listen comes first.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends what Listen began: it waits up to a second for requests under way, then cuts
// them. What was kept can still be asked for.
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
