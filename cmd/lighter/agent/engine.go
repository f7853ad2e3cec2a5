package agent

import (
	"context"
	"io"

	"lighter/discovery/docker"
)

// engine is a Docker client as package dockerlog sees it.
type engine struct{ *docker.Client }

func (e engine) OpenLogs(ctx context.Context, id string, since int64, follow bool, tail int) (io.ReadCloser, error) {
	return e.Client.OpenLogs(ctx, id, docker.LogOptions{Since: since, Follow: follow, Tail: tail})
}
