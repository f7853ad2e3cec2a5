// Package gate provides proxies between the agent and its backends and Engine, which record the traffic.
//
// A Gate is in front of a backend: it passes on each request, records it with its response (Pushes for Loki,
// Writes for remote write), and can respond by itself or refuse connections for a while. A Socket is in
// front of the Docker Engine and records methods and paths. The records show what was really sent, even if
// the backend stores repeated data only once.
package gate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"lighter/deploy/e2e/again"
)

// Recorder records each request before its response is returned.
type Recorder interface {
	// Record is called from many goroutines. It must not keep the body.
	Record(path string, body []byte, status int)
}

// Gate passes HTTP requests on to a backend. It is safe for concurrent use.
type Gate struct {
	backend  string // base URL
	address  string // host:port
	recorder Recorder
	client   *http.Client

	mu     sync.Mutex
	answer int           // status of a response without the backend; 0 if the backend is asked
	server *http.Server  // nil while the gate is shut
	held   chan struct{} // closed when responses may be returned; nil if they are not held
}

// New opens a gate in front of the backend, on a free port of host.
func New(backend string, recorder Recorder, host string) (*Gate, error) {
	g := &Gate{backend: backend, address: net.JoinHostPort(host, "0"), recorder: recorder,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}}}
	return g, g.Open()
}

// URL returns the URL of the gate, also after Shut.
func (g *Gate) URL() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return "http://" + g.address
}

// Open listens again after Shut, at the same address.
func (g *Gate) Open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, err := again.Listen(g.address)
	if err != nil {
		return fmt.Errorf("gate before %s: %w", g.backend, err)
	}
	g.address = l.Addr().String()
	srv := &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second}
	g.server = srv
	go func() { _ = srv.Serve(l) }() // ends with Shut
	return nil
}

// Shut waits for the requests in progress, and from then on refuses connections.
func (g *Gate) Shut(ctx context.Context) error {
	g.mu.Lock()
	srv := g.server
	g.server = nil
	g.mu.Unlock()
	if srv == nil {
		return nil
	}
	return srv.Shutdown(ctx)
}

// Answer makes the gate respond to every request with status by itself; with 0, the backend responds again.
func (g *Gate) Answer(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = status
}

// Hold holds the responses of the backend until release is called or the client is gone: a client that is
// killed meanwhile cannot know that its request was accepted.
func (g *Gate) Hold() (release func()) {
	held := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = held
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.held = nil
		close(held)
	})
}

// ServeHTTP passes one request.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client hung up within its own request: nothing was sent
	}
	g.mu.Lock()
	status := g.answer
	g.mu.Unlock()
	var answer []byte
	if status == 0 {
		status, answer = g.pass(w, r, body)
	}
	g.recorder.Record(r.URL.Path, body, status)
	g.mu.Lock()
	held := g.held
	g.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the client may have been killed, which is the subject of some tests
}

// pass sends the request to the backend, even if the client is gone by then, and returns the response.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, body []byte) (int, []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, r.Method, g.backend+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return http.StatusBadGateway, []byte(err.Error())
	}
	out.Header = r.Header.Clone()
	res, err := g.client.Do(out)
	if err != nil {
		return http.StatusBadGateway, []byte(err.Error())
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return http.StatusBadGateway, []byte(err.Error())
	}
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	return res.StatusCode, answer
}
