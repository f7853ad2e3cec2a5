// Package dockersim is a simulated Docker Engine: the read half of its HTTP API, with
// containers that a Go program creates, writes for, stops and removes. Tests use it, and
// `lighter demo` on a machine without Docker.
//
//	engine := dockersim.New(dockersim.Options{})
//	if err := engine.Listen("tcp://127.0.0.1:0"); err != nil { … }
//	defer engine.Close()
//	api := engine.Create(dockersim.Spec{Name: "api", Labels: map[string]string{"lighter.scrape": "true"}})
//	api.Start()
//	api.Write(dockersim.Stdout, "hello")
//	// a client of engine.Host() sees the container, its events and its line
//
// It answers /_ping, /version, /info, /events, /containers/json, /containers/{id}/json,
// /containers/{id}/logs and /networks, with or without a version prefix, in the wire
// format of the real one, its oddities included: the log filter that is off after its
// first match, 16 KiB pieces that each carry the first one's time, errors in the stream
// after a 200, lines skipped silently when a log rotates under a slow reader. Every other
// path is 404, every method but GET and HEAD is 405; Requests tells what was asked.
//
// Logs are kept in memory until Rotate or Remove. With Options.Root they are also kept there,
// as the driver json-file does, which Rotate leaves as they are, beside what the Engine writes
// there about containers. The clock is Options.Now, and WriteAt
// takes any time, so that a test owns time. All methods may be called from any goroutine.
package dockersim

import (
	"net/http"
	"sync"
	"time"
)

// Options say what Engine it is. The zero value is a recent one.
type Options struct {
	APIVersion    string           // newest it speaks; "1.51" if empty
	MinAPIVersion string           // oldest it speaks; "1.24" if empty
	Version       string           // of the Engine; "28.5.2" if empty
	Name          string           // of its host, docker info's Name; "dockersim" if empty
	Root          string           // a directory that it keeps as its data directory; none if empty
	Now           func() time.Time // time.Now if nil
}

// Engine is a simulated Docker Engine. New makes one; it serves as an http.Handler, or by
// itself after Listen.
type Engine struct {
	Options

	mu         sync.Mutex // guards what follows, the versions, and every container and network
	containers []*Container
	networks   []*network
	created    int // containers and networks ever made, for ids
	events     eventLog
	requests   []Request
	intercept  func(http.ResponseWriter, *http.Request) bool
	held       bool // HoldLogs
	down       bool // between Down and Up: nothing is recorded
	closed     bool
	failed     error // why Root could not be written
	handlers   sync.WaitGroup

	ears ears
}

// Request is what a client asked.
type Request struct {
	Method string
	Path   string // as sent, with its version prefix, not decoded
	Query  string // not decoded
}

// New returns an Engine with the networks bridge, host and none and no container.
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

// SetAPIVersion changes the versions it speaks, as another Engine behind the same socket
// does: call it between Down and Up.
func (e *Engine) SetAPIVersion(newest, oldest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.APIVersion, e.MinAPIVersion = newest, oldest
}

// Requests returns what was asked so far, oldest first.
func (e *Engine) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Request(nil), e.requests...)
}

// Intercept has f see every request first; what it returns true for is answered. It may
// block, as a hung Engine does, until the request's context ends. Nil takes it away.
func (e *Engine) Intercept(f func(w http.ResponseWriter, r *http.Request) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.intercept = f
}

// HoldLogs stops, and lets go on, what is sent on all log streams, those that are opened
// meanwhile included. Their answers' headers are sent.
func (e *Engine) HoldLogs(hold bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = hold
	for _, c := range e.containers {
		c.changed.wake()
	}
}

// Containers returns those that exist, in the order of their creation.
func (e *Engine) Containers() []*Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*Container(nil), e.containers...)
}

// bell wakes whoever waits for a change; it costs nothing while nobody does. The Engine's
// lock guards it.
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
