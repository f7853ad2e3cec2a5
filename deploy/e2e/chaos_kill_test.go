package e2e

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"lighter/deploy/e2e/fault"
)

// unsure is the delay between Loki's accepting a request and its response, so that many deaths happen in
// between.
const unsure = 300 * time.Millisecond

// kill20 kills the agent with SIGKILL twenty times at random moments of a flood.
func (c *chaos) kill20(t *testing.T) {
	v := c.victim(t, "kill20", agentOptions{})
	v.loki.Misbehave(fault.Slow(unsure))
	a := c.flood(t, "kill20-a", 2000, generatorOptions{})
	b := c.flood(t, "kill20-b", 1000, generatorOptions{})
	for range span(c, 20, 5) {
		v.waitTaken(t, 1)
		pass(t, rand.N(3*time.Second))
		v.kill(t)
	}
	v.waitTaken(t, 5000)
	must(t, a.Stop(t.Context()))
	must(t, b.Stop(t.Context()))
	v.verify(t, 3*time.Minute, a, b)
}

// term stops the agent cleanly five times in a flood: no line may be sent twice.
func (c *chaos) term(t *testing.T) {
	v := c.victim(t, "term", agentOptions{})
	v.loki.Misbehave(fault.Slow(unsure))
	g := c.flood(t, "term-flood", 3000, generatorOptions{})
	for range span(c, 5, 3) {
		v.waitTaken(t, 1)
		pass(t, rand.N(3*time.Second))
		v.stop(t)
		must(t, v.Start(t.Context()))
	}
	v.waitTaken(t, 5000)
	must(t, g.Stop(t.Context()))
	v.verify(t, 3*time.Minute, g)
}

// engineKilled kills a private Engine and starts it again, three times, with a container that ends with it
// and one that is started again. The agent does not run in that Engine.
func (c *chaos) engineKilled(t *testing.T) {
	engine, _ := c.privateEngine(t)
	root, err := engine.Root(t.Context())
	must(t, err)
	v := c.victim(t, "engine", agentOptions{socket: filepath.Dir(engine.Socket), root: root})
	within := generatorOptions{engine: &engine.Engine, network: "none"}
	once := c.flood(t, "engine-once", 500, within)
	within.docker = []string{"--restart", "always"}
	again := c.flood(t, "engine-again", 500, within)
	for range 3 {
		v.waitTaken(t, 500)
		pass(t, rand.N(2*time.Second))
		must(t, engine.Kill())
		must(t, engine.Start(t.Context()))
		again.waitRunning(t)
		v.waitReady(t)
	}
	v.waitTaken(t, 500)
	must(t, once.Stop(t.Context()))
	must(t, again.Stop(t.Context()))
	v.verify(t, 2*time.Minute, once, again)
}
