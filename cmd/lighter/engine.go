package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"lighter/discovery/docker"
)

// engine is a Docker client as package dockerlog sees it.
type engine struct{ *docker.Client }

func (e engine) OpenLogs(ctx context.Context, id string, since int64, follow bool, tail int) (io.ReadCloser, error) {
	return e.Client.OpenLogs(ctx, id, docker.LogOptions{Since: since, Follow: follow, Tail: tail})
}

func (engine) Gone(err error) bool       { return errors.Is(err, docker.ErrGone) }
func (engine) Unreadable(err error) bool { return errors.Is(err, docker.ErrUnreadable) }

// hostName returns what the host is called: what the settings say, else the Engine if it
// answers within patience, else what the system says. It blocks so long.
func (a *agent) hostName(ctx context.Context, patience time.Duration) string {
	if a.plan.Agent.Host != "" {
		return a.plan.Agent.Host
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil && len(a.plan.Docker) > 0 {
		if name := a.engines[a.plan.Docker[0].Name].HostName(ctx); name != "" {
			return name
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
