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
	"time"
)

// Socket is a Docker socket that passes on requests to the Engine's socket and records them. It can disturb
// the responses as proxies and busy Engines do.
type Socket struct {
	// Path is the socket file. It has the group and the mode of the Engine's socket.
	Path string

	server *http.Server
	mu     sync.Mutex
	seen   map[Request]int
	quiet  time.Duration             // time after which a quiet response is ended; 0 means never
	change func(frame []byte) []byte // for logs; nil leaves frames unchanged
	open   map[*answer]bool
}

// Request is a request of a client to the Engine.
type Request struct{ Method, Path string }

// NewSocket serves a socket at path in front of the Engine's.
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
	s := &Socket{Path: path, seen: make(map[Request]int), open: make(map[*answer]bool)}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", engine)
		}},
		FlushInterval:  -1, // logs and events are streams
		ModifyResponse: s.take,
	}
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen[Request{r.Method, r.URL.Path}]++
		s.mu.Unlock()
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, canceler{}, cancel)))
	})}
	go func() { _ = s.server.Serve(l) }() // ends with Close
	return s, nil
}

// Requests returns the number of requests of each kind.
func (s *Socket) Requests() map[Request]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[Request]int, len(s.seen))
	for r, n := range s.seen {
		out[r] = n
	}
	return out
}

// EndQuiet makes the socket end each response in good order when it is quiet for that long, as proxies do.
func (s *Socket) EndQuiet(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = after
}

// Change lets change modify the frames of logs that are requested from now on. It gets the content of a
// frame, without its header, of a container without a terminal.
func (s *Socket) Change(change func(frame []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change = change
}

// Mute stops the data of a container's logs that are being followed now, but leaves the responses open. It
// returns the number of these responses.
func (s *Socket) Mute(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for a := range s.open {
		if a.follows(id) {
			a.mute.Store(true)
			n++
		}
	}
	return n
}

// Close closes the socket and all its connections.
func (s *Socket) Close() error { return s.server.Close() }
