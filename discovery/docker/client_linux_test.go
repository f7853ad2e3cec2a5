package docker_test

import (
	"context"
	"net"
	"testing"
	"time"

	"lighter/discovery/docker"
	"lighter/discovery/dockersim"
)

// A Client reaches a Unix socket over package quietconn's connections.
func TestConnectionsToALocalEngineAreQuiet(t *testing.T) {
	_, c := socketEngine(t, dockersim.Options{})
	conn, err := c.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ordinary := conn.(*net.UnixConn); ordinary {
		t.Errorf("the client dials a %T", conn)
	}
}

// A context ends the reading of a log to which nothing is written.
func TestAContextEndsAReadThatWaits(t *testing.T) {
	e, c := socketEngine(t, dockersim.Options{})
	api := e.Create(dockersim.Spec{Name: "api"})
	api.Start()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, err := c.OpenLogs(ctx, api.ID(), docker.LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	time.AfterFunc(20*time.Millisecond, cancel) // by then the read has probably begun to wait
	if n, err := body.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v; want an error", n, err)
	}
}
