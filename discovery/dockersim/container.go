package dockersim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Spec is what a container is created from. Only Name is needed.
type Spec struct {
	ID          string // 64 hex digits; made up if empty
	Name        string // without the leading slash
	Image       string // "simulated" if empty
	Hostname    string // the first 12 digits of the ID if empty
	Labels      map[string]string
	TTY         bool
	Driver      string            // of the log; "json-file" if empty. "none" cannot be read: 501
	LogOptions  map[string]string // of the driver, as inspect tells them; the simulated log is kept whole all the same
	Ports       []Port
	Networks    []Endpoint // one on bridge if empty, unless NetworkMode says otherwise
	NetworkMode string     // "host", "none", "container:ID"; the first network's name if empty
}

// Port is one that a container exposes, and publishes on 0.0.0.0 and :: if Public is set.
type Port struct {
	Private uint16
	Public  uint16
	Type    string // "tcp" if empty
}

// Endpoint is a container's place on a network.
type Endpoint struct {
	Network string // name; the network is created if it does not exist
	IP      string // made up if empty
	IPv6    string // none if empty
}

// state is a container's, in the Engine's own words.
type state string

const (
	stateCreated state = "created"
	stateRunning state = "running"
	statePaused  state = "paused"
	stateExited  state = "exited"
	stateDead    state = "dead"
)

// Container is one of an Engine's. Its methods do what the docker command of that name
// does, events included, and do not check whether it makes sense.
type Container struct {
	engine   *Engine
	id       string
	spec     Spec // Name and Networks change
	state    state
	exitCode int
	restarts int
	created  time.Time
	started  time.Time // zero if it never ran
	finished time.Time // zero while it never stopped
	log      journal
	folder   folder
	run      *run // of the last start; nil if it never ran
	changed  bell // a message, the end of a run, or whether logs are held
}

// run is the time between a start and a stop; followers end with it.
type run struct {
	over bool
	end  int64 // offset of the log, once over
}

// Create makes a container, which does not run yet.
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

// newIDLocked makes up an id, the same in each process.
func (e *Engine) newIDLocked(of string) string {
	e.created++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", e.created, of))
	return hex.EncodeToString(sum[:])
}

// ID is the container's, 64 hex digits.
func (c *Container) ID() string { return c.id }

// Name is the container's present one, without the leading slash.
func (c *Container) Name() string {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	return c.spec.Name
}

// Start runs it.
func (c *Container) Start() {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.startLocked()
}

func (c *Container) startLocked() {
	c.run = new(run)
	c.state, c.started = stateRunning, c.engine.Now()
	for _, n := range c.spec.Networks {
		c.engine.emitNetworkLocked(c, n.Network, "connect")
	}
	c.engine.emitLocked(c, "start")
}

// Stop ends it with an exit code. Streams that follow its log end after what is there.
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

// Restart stops it with code 0 and starts it.
func (c *Container) Restart() {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.stopLocked(0)
	c.engine.emitLocked(c, "stop")
	c.restarts++
	c.startLocked()
	c.engine.emitLocked(c, "restart")
}

// Pause freezes it; its log stays open.
func (c *Container) Pause() { c.setState(statePaused, "pause") }

// Unpause lets it go on.
func (c *Container) Unpause() { c.setState(stateRunning, "unpause") }

// MarkDead leaves it as a removal that failed does: listed, its log answered with 409.
func (c *Container) MarkDead() { c.setState(stateDead, "die") }

func (c *Container) setState(s state, action string) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.state = s
	c.engine.emitLocked(c, action)
}

// Rename gives it another name.
func (c *Container) Rename(name string) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	old := c.spec.Name
	c.spec.Name = name
	c.engine.emitLocked(c, "rename", "oldName", "/"+old)
}

// Remove takes it and its log away, stopped first if it runs: docker rm -f.
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

// Connect puts it on a network.
func (c *Container) Connect(n Endpoint) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.engine.assignLocked(&n)
	c.spec.Networks = append(slices.Clone(c.spec.Networks), n)
	c.engine.emitNetworkLocked(c, n.Network, "connect")
}

// Disconnect takes it off a network.
func (c *Container) Disconnect(network string) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.spec.Networks = slices.DeleteFunc(slices.Clone(c.spec.Networks), func(n Endpoint) bool { return n.Network == network })
	c.engine.emitNetworkLocked(c, network, "disconnect")
}

// running tells whether followers wait for more.
func (c *Container) running() bool { return c.run != nil && !c.run.over }
