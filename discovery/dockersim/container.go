package dockersim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Spec describes a container to create. Only Name is required.
type Spec struct {
	ID          string // 64 hex digits; chosen by the Engine if empty
	Name        string // without the leading slash
	Image       string // "simulated" if empty
	Hostname    string // the first 12 digits of the ID if empty
	Labels      map[string]string
	TTY         bool
	Driver      string            // log driver; "json-file" if empty. The log of "none" cannot be read (501)
	LogOptions  map[string]string // of the driver. Inspect returns them, and nothing else uses them
	Ports       []Port
	Networks    []Endpoint          // if empty, bridge, unless NetworkMode says otherwise
	UpperDir    string              // of its root file system on overlay2; inspect does not return it if empty
	NetworkMode string              // "host", "none", "container:ID"; the name of the first network if empty
	Resources   container.Resources // limits; inspect returns them, and nothing else uses them
}

// Port is a port that a container exposes. If Public is set, it is published on 0.0.0.0 and ::.
type Port struct {
	Private uint16
	Public  uint16 // 0 if it is not published
	Type    string // "tcp" if empty
}

// Endpoint is the attachment of a container to a network.
type Endpoint struct {
	Network string // name; the network is created if it does not exist
	IP      string // chosen by the Engine if empty
	IPv6    string // the container has none if empty
}

// state is the state of a container, in the Engine's words.
type state string

const (
	stateCreated state = "created"
	stateRunning state = "running"
	statePaused  state = "paused"
	stateExited  state = "exited"
	stateDead    state = "dead"
)

// Container is a container of an Engine. Its methods do what the docker commands with the same names do,
// and emit the same events. They do not check whether a command is valid in the container's state.
type Container struct {
	engine    *Engine
	id        string
	spec      Spec // only Name and Networks change
	state     state
	exitCode  int
	oomKilled bool
	health    *container.Health        // nil if there is no health check; immutable
	stats     *container.StatsResponse // nil if it is simulated
	writable  int64                    // bytes that it has written into its root file system
	restarts  int
	created   time.Time
	started   time.Time // zero before the first start
	finished  time.Time // zero before the first stop
	log       journal
	folder    folder
	run       *run // since the last start; nil before the first start
	changed   bell // rings at a message, at the end of a run, and when logs are held or released
}

// run is the time between a start and a stop. Streams that follow the log end with it.
type run struct {
	over bool
	end  int64 // offset in the log of the run's end; valid only if it is over
}

// Create creates a container. Start starts it.
func (e *Engine) Create(s Spec) *Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Labels = maps.Clone(s.Labels)
	s.LogOptions = maps.Clone(s.LogOptions)
	s.Ports = slices.Clone(s.Ports)
	s.Networks = slices.Clone(s.Networks)
	if s.ID == "" {
		s.ID = e.newIDLocked("container " + s.Name)
	}
	if s.Image == "" {
		s.Image = "simulated"
	}
	if s.Hostname == "" {
		s.Hostname = s.ID[:min(12, len(s.ID))]
	}
	if s.Driver == "" {
		s.Driver = "json-file"
	}
	if len(s.Networks) == 0 {
		switch s.NetworkMode {
		case "":
			s.Networks = []Endpoint{{Network: "bridge"}}
		case "host", "none":
			s.Networks = []Endpoint{{Network: s.NetworkMode}}
		}
	}
	if s.NetworkMode == "" {
		s.NetworkMode = s.Networks[0].Network
	}
	for i := range s.Networks {
		e.assignLocked(&s.Networks[i])
	}
	c := &Container{engine: e, id: s.ID, spec: s, state: stateCreated, created: e.Now()}
	e.containers = append(e.containers, c)
	e.emitLocked(c, "create")
	return c
}

// newIDLocked returns a new ID. The IDs are the same in each process.
func (e *Engine) newIDLocked(of string) string {
	e.created++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", e.created, of))
	return hex.EncodeToString(sum[:])
}

// ID returns the container's ID of 64 hex digits.
func (c *Container) ID() string { return c.id }

// Name returns the container's present name without the leading slash.
func (c *Container) Name() string {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	return c.spec.Name
}

// Start starts the container.
func (c *Container) Start() {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.startLocked()
}

func (c *Container) startLocked() {
	c.run = new(run)
	c.oomKilled = false
	c.state, c.started = stateRunning, c.engine.Now()
	for _, n := range c.spec.Networks {
		c.engine.emitNetworkLocked(c, n.Network, "connect")
	}
	c.engine.emitLocked(c, "start")
}

// Stop ends the container with an exit code. Streams that follow its log end after the last message.
func (c *Container) Stop(exitCode int) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.stopLocked(exitCode)
	c.engine.emitLocked(c, "stop")
}

func (c *Container) stopLocked(exitCode int) {
	if c.run != nil && !c.run.over {
		c.run.over, c.run.end = true, c.log.end()
	}
	c.state, c.exitCode, c.finished = stateExited, exitCode, c.engine.Now()
	c.changed.wake()
	c.engine.emitLocked(c, "die", "exitCode", strconv.Itoa(exitCode))
	for _, n := range c.spec.Networks {
		c.engine.emitNetworkLocked(c, n.Network, "disconnect")
	}
}

// Restart stops the container with exit code 0 and starts it again.
func (c *Container) Restart() {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.stopLocked(0)
	c.engine.emitLocked(c, "stop")
	c.restarts++
	c.startLocked()
	c.engine.emitLocked(c, "restart")
}

// Pause pauses the container. Streams that follow its log stay open.
func (c *Container) Pause() { c.setState(statePaused, "pause") }

// Unpause resumes a paused container.
func (c *Container) Unpause() { c.setState(stateRunning, "unpause") }

// MarkDead puts the container into the state that a failed removal leaves: it is listed, and a request for
// its log gets a 409.
func (c *Container) MarkDead() { c.setState(stateDead, "die") }

func (c *Container) setState(s state, action string) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.state = s
	c.engine.emitLocked(c, action)
}

// Rename gives the container another name.
func (c *Container) Rename(name string) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	old := c.spec.Name
	c.spec.Name = name
	c.engine.emitLocked(c, "rename", "oldName", "/"+old)
}

// Remove removes the container and its log, as docker rm -f does. A running container is stopped first.
func (c *Container) Remove() {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	if c.state == stateRunning || c.state == statePaused {
		c.stopLocked(137)
	}
	c.removeLocked()
	c.engine.containers = slices.DeleteFunc(c.engine.containers, func(o *Container) bool { return o == c })
	c.engine.emitLocked(c, "destroy")
}

// Connect attaches the container to a network.
func (c *Container) Connect(n Endpoint) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.engine.assignLocked(&n)
	c.spec.Networks = append(slices.Clone(c.spec.Networks), n)
	c.engine.emitNetworkLocked(c, n.Network, "connect")
}

// running reports whether a stream that follows the log waits for more.
func (c *Container) running() bool { return c.run != nil && !c.run.over }
