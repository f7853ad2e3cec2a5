package gate

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"sync"
	"syscall"
)

// Socket is a Docker socket that passes requests on to the Engine's and records them.
type Socket struct {
	// Path is the socket file. It has the group and the mode of the Engine's.
	Path string

	server *http.Server
	mu     sync.Mutex
	seen   map[Request]int
}

// Request is what a client asked of the Engine.
type Request struct{ Method, Path string }

// NewSocket serves a socket at path before the Engine's.
func NewSocket(path, engine string) (*Socket, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(engine)
	if err != nil {
		return nil, fmt.Errorf("the Engine's socket: %w", err)
	}
	if err := os.Chown(path, -1, int(info.Sys().(*syscall.Stat_t).Gid)); err != nil {
		return nil, err
	}
	if err := os.Chmod(path, info.Mode().Perm()); err != nil {
		return nil, err
	}
	s := &Socket{Path: path, seen: make(map[Request]int)}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", engine)
		}},
		FlushInterval: -1, // logs and events are streams
	}
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen[Request{r.Method, r.URL.Path}]++
		s.mu.Unlock()
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = s.server.Serve(l) }() // ends with Close
	return s, nil
}

// Requests returns what was asked, and how often.
func (s *Socket) Requests() map[Request]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[Request]int, len(s.seen))
	for r, n := range s.seen {
		out[r] = n
	}
	return out
}

// Close ends the socket and all that goes through it.
func (s *Socket) Close() error { return s.server.Close() }
