// Package dockersim simulates a Docker Engine. It serves the part of the HTTP API that reads, for
// containers that a Go program creates, starts, stops and removes and whose output the program
// writes. Tests use it, and so does `lighter demo` on a machine without Docker.
//
//	engine := dockersim.New(dockersim.Options{})
//	if err := engine.Listen("tcp://127.0.0.1:0"); err != nil { … }
//	defer engine.Close()
//	api := engine.Create(dockersim.Spec{Name: "api", Labels: map[string]string{"lighter.scrape": "true"}})
//	api.Start()
//	api.Write(dockersim.Stdout, "hello")
//	// a client of engine.Host() sees the container, its events and its line
//
// It serves /_ping, /version, /info, /events, /containers/json, /containers/{id}/json,
// /containers/{id}/logs, /containers/{id}/stats and /networks, with or without a version prefix, in the
// wire format of a real Engine. It has the peculiarities of the real one: the time filter of a log ends
// with its first match, the 16 KiB pieces of a long line all have the time of the first, an error is sent
// within the stream after a 200, and a reader that is slower than the rotation of a log skips lines without
// notice. Any other path gets a 404, and any method but GET and HEAD a 405. Requests returns the requests
// of clients.
//
// Logs are kept in memory until Rotate or Remove. If Options.Root is set, they are also written to files
// below it, as by the json-file driver, together with the files in which the Engine describes containers.
// Rotate does not change these files. The clock is Options.Now, and WriteAt takes any time, so that a test
// controls time. All methods may be called from any goroutine.
package dockersim

import (
	"net/http"
	"sync"
	"time"
)

// Options describe the simulated Engine. The zero value describes a recent one.
type Options struct {
	APIVersion    string           // newest version that it supports; "1.51" if empty
	MinAPIVersion string           // oldest version that it supports; "1.24" if empty
	Version       string           // of the Engine; "28.5.2" if empty
	Name          string           // of its host, as in docker info; "dockersim" if empty
	Root          string           // its data directory; nothing is written if empty
	Now           func() time.Time // time.Now if nil
}

// Engine is a simulated Docker Engine, made by New. It is an http.Handler, and can serve by itself
// with Listen.
type Engine struct {
	Options

	mu         sync.Mutex // guards the fields below, the versions, and every container and network
	containers []*Container
	networks   []*network
	created    int // number of containers and networks ever created, from which their IDs are made
	events     eventLog
	requests   []Request
	intercept  func(http.ResponseWriter, *http.Request) bool
	held       bool // see HoldLogs
	down       bool // between Down and Up, when no events are recorded
	closed     bool
	rootErr    error // why Root could not be written
	handlers   sync.WaitGroup

	listening listening
}

// Request is a request of a client.
type Request struct {
	Method string
	Path   string // as sent: not decoded, and with its version prefix
	Query  string // not decoded
}

// New returns an Engine with the networks bridge, host and none, and without containers.
func New(o Options) *Engine {
	if o.APIVersion == "" {
		o.APIVersion = "1.51"
	}
	if o.MinAPIVersion == "" {
		o.MinAPIVersion = "1.24"
	}
	if o.Version == "" {
		o.Version = "28.5.2"
	}
	if o.Name == "" {
		o.Name = "dockersim"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &Engine{Options: o}
	for _, name := range []string{"bridge", "host", "none"} {
		e.CreateNetwork(Network{Name: name})
	}
	return e
}

// SetAPIVersion changes the versions that the Engine supports, as if another Engine took its place behind
// the same socket. Call it between Down and Up.
func (e *Engine) SetAPIVersion(newest, oldest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.APIVersion, e.MinAPIVersion = newest, oldest
}

// Requests returns the requests that were made so far, oldest first.
func (e *Engine) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Request(nil), e.requests...)
}

// Intercept makes the Engine pass every request to f first. If f returns true, it has responded, and the
// Engine does nothing more. f may block until the request's context ends, to simulate an Engine that hangs.
// A nil f ends the interception.
func (e *Engine) Intercept(f func(w http.ResponseWriter, r *http.Request) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.intercept = f
}

// HoldLogs pauses all log streams, or resumes them if hold is false. A stream that is opened during the
// pause sends only its headers.
func (e *Engine) HoldLogs(hold bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = hold
	for _, c := range e.containers {
		c.changed.wake()
	}
}

// Containers returns the containers that exist, in the order of their creation.
func (e *Engine) Containers() []*Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*Container(nil), e.containers...)
}

// bell wakes the goroutines that wait for a change. It costs nothing while none waits. The Engine's lock
// guards it.
type bell struct{ ch chan struct{} }

// wait returns a channel that is closed at the next wake.
func (b *bell) wait() <-chan struct{} {
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) wake() {
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
