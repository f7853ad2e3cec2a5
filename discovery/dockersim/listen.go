package dockersim

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// listening is the state of an Engine's server.
type listening struct {
	mu       sync.Mutex
	network  string       // "unix" or "tcp"
	addr     string       // of the first Listen, with the chosen port
	server   *http.Server // nil while it does not listen
	listener net.Listener
	conns    map[net.Conn]struct{}
	serving  sync.WaitGroup
	closed   bool
}

// Listen starts to serve at host, such as unix:///path/of.sock or tcp://127.0.0.1:0, until Close. The
// socket file must not exist yet.
func (e *Engine) Listen(host string) error {
	network, addr, ok := strings.Cut(host, "://")
	if !ok || network != "unix" && network != "tcp" {
		return fmt.Errorf("listen on %q: want unix:///path or tcp://address:port", host)
	}
	e.listening.mu.Lock()
	defer e.listening.mu.Unlock()
	return e.listenLocked(network, addr)
}

func (e *Engine) listenLocked(network, addr string) error {
	if e.listening.server != nil {
		return fmt.Errorf("listen on %s: the engine listens already", addr)
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return err // it contains the operation and the address
	}
	e.listening.network, e.listening.addr = network, l.Addr().String()
	e.serveLocked(l)
	return nil
}

// Serve starts to serve on l, such as a test's in-memory listener. Close closes l. Up cannot serve on l
// again.
func (e *Engine) Serve(l net.Listener) {
	e.listening.mu.Lock()
	defer e.listening.mu.Unlock()
	e.serveLocked(l)
}

func (e *Engine) serveLocked(l net.Listener) {
	conns := make(map[net.Conn]struct{})
	server := &http.Server{
		Handler:           e,
		ReadHeaderTimeout: 10 * time.Second,
		ConnState: func(c net.Conn, s http.ConnState) {
			e.listening.mu.Lock()
			defer e.listening.mu.Unlock()
			switch s {
			case http.StateNew:
				conns[c] = struct{}{}
			case http.StateClosed, http.StateHijacked:
				delete(conns, c)
			}
		},
	}
	e.listening.server, e.listening.listener, e.listening.conns = server, l, conns
	e.mu.Lock()
	e.down = false
	e.mu.Unlock()
	e.listening.serving.Go(func() { _ = server.Serve(l) }) // ends by Down or Close
}

// Host returns the address at which the Engine listens, in the form of DOCKER_HOST.
func (e *Engine) Host() string {
	e.listening.mu.Lock()
	defer e.listening.mu.Unlock()
	return e.listening.network + "://" + e.listening.addr
}

// KillConnections closes every connection, even in the middle of a response.
func (e *Engine) KillConnections() {
	e.listening.mu.Lock()
	defer e.listening.mu.Unlock()
	for c := range e.listening.conns {
		_ = c.Close()
	}
}

// Down makes the Engine unreachable. It closes all connections and stops listening, which removes a socket
// file. It forgets past events, and records none until Up. The containers keep running, as with the
// Engine's live-restore.
func (e *Engine) Down() {
	e.listening.mu.Lock()
	server, listener := e.listening.server, e.listening.listener
	e.listening.server = nil
	e.listening.mu.Unlock()
	if server != nil {
		_ = server.Close()
		_ = listener.Close() // the server does not close a listener that it has not begun to serve
		e.listening.serving.Wait()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = true
	e.events.forget()
}

// Up listens again at the address of Listen. A socket file is created anew.
func (e *Engine) Up() error {
	e.listening.mu.Lock()
	defer e.listening.mu.Unlock()
	if e.listening.closed {
		return errors.New("bring the engine up: it is closed")
	}
	return e.listenLocked(e.listening.network, e.listening.addr)
}

// Close calls Down and waits for all handlers. It returns an error if Root could not be written.
func (e *Engine) Close() error {
	e.listening.mu.Lock()
	e.listening.closed = true
	e.listening.mu.Unlock()
	e.Down()
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.handlers.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		e.rootErr = errors.Join(e.rootErr, c.folder.close())
	}
	return e.rootErr
}
