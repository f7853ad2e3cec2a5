package e2e

import (
	"path/filepath"
	"testing"
	"time"
)

// engineKilled kills an Engine with SIGKILL and starts it again. It is a private Engine, because this
// machine's Engine may have other containers. One agent runs in the Engine that is killed, and is started
// again with it; the other one runs outside and has to find the recreated socket. Neither may lose a line
// that the Engine kept.
func (l *lab) engineKilled(t *testing.T) {
	ctx := t.Context()
	engine, gateway := l.privateEngine(t)

	root, err := engine.Root(ctx)
	must(t, err)
	outside := l.agent(t, "engine-killed-outside", agentOptions{include: "engine-*", socket: filepath.Dir(engine.Socket), root: root})
	inside := l.agent(t, "engine-killed-inside", agentOptions{include: "engine-*", engine: &engine.Engine,
		network: "bridge", gateway: gateway, docker: []string{"--restart", "always"}})
	within := generatorOptions{engine: &engine.Engine, network: "none"}
	once := l.generate(t, "engine-once", within, "-rate", "300", "-stderr", "4")
	within.docker = []string{"--restart", "always"}
	again := l.generate(t, "engine-again", within, "-rate", "300", "-stderr", "4", "-format", "mix")
	outside.waitDelivered(t, 1000)
	inside.waitDelivered(t, 1000)

	began := time.Now()
	must(t, engine.Kill())
	inside.deaths = append(inside.deaths, death{began, time.Now()})
	must(t, engine.Start(ctx))
	again.waitRunning(t)
	outside.waitReady(t)
	inside.waitReady(t)
	again.waitWritten(t, len(again.lines(t))+300)
	outside.waitDelivered(t, 300)

	for _, g := range []*generator{once, again} {
		must(t, g.Stop(ctx))
	}
	outside.verify(t, time.Minute, once, again)
	inside.verify(t, time.Minute, once, again)
}
