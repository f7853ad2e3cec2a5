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

// ears is where an Engine listens, while it does.
type ears struct {
	mu       sync.Mutex
	network  string // "unix" or "tcp"
	addr     string // of the first Listen, with the port that it got
	server   *http.Server
	listener net.Listener
	conns    map[net.Conn]struct{}
	serving  sync.WaitGroup
	closed   bool
}

// Listen serves at host until Close: unix:///path/of.sock or tcp://127.0.0.1:0. The file
// of a socket must not exist. It does not block.
func (e *Engine) Listen(host string) error {
	network, addr, ok := strings.Cut(host, "://")
	if !ok || network != "unix" && network != "tcp" {
		return fmt.Errorf("listen on %q: want unix:///path or tcp://address:port", host)
	}
	e.ears.mu.Lock()
	defer e.ears.mu.Unlock()
	return e.listenLocked(network, addr)
}

func (e *Engine) listenLocked(network, addr string) error {
	if e.ears.server != nil {
		return fmt.Errorf("listen on %s: the engine listens already", addr)
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return err // says operation and address itself
	}
	e.ears.network, e.ears.addr = network, l.Addr().String()
	e.serveLocked(l)
	return nil
}

// Serve serves on l, which Close closes; a test's listener in memory, say. It does not
// block. Up cannot listen there again.
func (e *Engine) Serve(l net.Listener) {
	e.ears.mu.Lock()
	defer e.ears.mu.Unlock()
	e.serveLocked(l)
}

func (e *Engine) serveLocked(l net.Listener) {
	conns := make(map[net.Conn]struct{})
	server := &http.Server{
		Handler:           e,
		ReadHeaderTimeout: 10 * time.Second,
		ConnState: func(c net.Conn, s http.ConnState) {
			e.ears.mu.Lock()
			defer e.ears.mu.Unlock()
			switch s {
			case http.StateNew:
				conns[c] = struct{}{}
			case http.StateClosed, http.StateHijacked:
				delete(conns, c)
			}
		},
	}
	e.ears.server, e.ears.listener, e.ears.conns = server, l, conns
	e.mu.Lock()
	e.down = false
	e.mu.Unlock()
	e.ears.serving.Go(func() { _ = server.Serve(l) }) // ends by Down or Close
}

// Host is where it listens, as DOCKER_HOST has it.
func (e *Engine) Host() string {
	e.ears.mu.Lock()
	defer e.ears.mu.Unlock()
	return e.ears.network + "://" + e.ears.addr
}

// KillConnections cuts every connection in the middle of what it carries.
func (e *Engine) KillConnections() {
	e.ears.mu.Lock()
	defer e.ears.mu.Unlock()
	for c := range e.ears.conns {
		_ = c.Close()
	}
}

// Down is an Engine that went away: connections are cut, the socket's file is removed, the
// port refuses, past events are forgotten, and what happens to containers until Up is no
// event. Containers go on, as with live-restore.
func (e *Engine) Down() {
	e.ears.mu.Lock()
	server, listener := e.ears.server, e.ears.listener
	e.ears.server = nil
	e.ears.mu.Unlock()
	if server != nil {
		_ = server.Close()
		_ = listener.Close() // the server may not have begun with it
		e.ears.serving.Wait()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = true
	e.events.forget()
}

// Up listens again where Listen did. The file of a socket is a new one.
func (e *Engine) Up() error {
	e.ears.mu.Lock()
	defer e.ears.mu.Unlock()
	if e.ears.closed {
		return errors.New("bring the engine up: it is closed")
	}
	return e.listenLocked(e.ears.network, e.ears.addr)
}

// Close goes Down for good and waits until nothing of it runs.
func (e *Engine) Close() error {
	e.ears.mu.Lock()
	e.ears.closed = true
	e.ears.mu.Unlock()
	e.Down()
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.handlers.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		e.failed = errors.Join(e.failed, c.folder.close())
	}
	return e.failed
}
