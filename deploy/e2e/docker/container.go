package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Container is a container that Run started.
type Container struct {
	ID   string
	Name string

	engine *Engine
}

// Run starts a container in the background; args are those of docker run from the options on.
func (e *Engine) Run(ctx context.Context, name string, args ...string) (*Container, error) {
	id, err := e.Do(ctx, append([]string{"run", "--detach", "--label", Label, "--name", name}, args...)...)
	if err != nil {
		return nil, err
	}
	return &Container{ID: id, Name: name, engine: e}, nil
}

// Start starts a stopped container.
func (c *Container) Start(ctx context.Context) error { return c.do(ctx, "start") }

// Stop stops the container, and kills it after ten seconds.
func (c *Container) Stop(ctx context.Context) error { return c.do(ctx, "stop") }

// StopWithin stops the container, and kills it after that many seconds.
func (c *Container) StopWithin(ctx context.Context, seconds int) error {
	return c.do(ctx, "stop", "--time", strconv.Itoa(seconds))
}

// RestartWithin is StopWithin and Start in one request to the Engine.
func (c *Container) RestartWithin(ctx context.Context, seconds int) error {
	return c.do(ctx, "restart", "--time", strconv.Itoa(seconds))
}

// Kill kills the container with SIGKILL.
func (c *Container) Kill(ctx context.Context) error { return c.do(ctx, "kill") }

// Remove kills and removes the container, with its log and its unnamed volumes.
func (c *Container) Remove(ctx context.Context) error {
	return c.do(ctx, "rm", "--force", "--volumes")
}

func (c *Container) do(ctx context.Context, args ...string) error {
	_, err := c.engine.Do(ctx, append(args, c.ID)...)
	return err
}

// State is what the Engine knows of a container.
type State struct {
	Running   bool
	Pid       int
	ExitCode  int
	OOMKilled bool
	Restarts  int
	Health    string // empty without a health check
	IP        string // in its only network, if it is in one
	LogPath   string // of its json-file log
}

// State inspects the container.
func (c *Container) State(ctx context.Context) (State, error) {
	out, err := c.engine.Do(ctx, "container", "inspect", c.ID)
	if err != nil {
		return State{}, err
	}
	var all []struct {
		State struct {
			Running   bool
			Pid       int
			ExitCode  int
			OOMKilled bool
			Health    *struct{ Status string }
		}
		RestartCount    int
		LogPath         string
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress string }
		}
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		return State{}, fmt.Errorf("inspect %s: %d results: %w", c.Name, len(all), err)
	}
	in := all[0]
	s := State{
		Running: in.State.Running, Pid: in.State.Pid, ExitCode: in.State.ExitCode, OOMKilled: in.State.OOMKilled,
		Restarts: in.RestartCount, LogPath: in.LogPath,
	}
	if in.State.Health != nil {
		s.Health = in.State.Health.Status
	}
	for _, n := range in.NetworkSettings.Networks {
		s.IP = n.IPAddress
	}
	return s, nil
}

// Wait waits until the container has ended and returns its exit code.
func (c *Container) Wait(ctx context.Context) (int, error) {
	out, err := c.engine.Do(ctx, "wait", c.ID)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(out)
}

// Output returns the newest lines that the container wrote, stdout and stderr together.
func (c *Container) Output(ctx context.Context, lines int) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := c.engine.command(ctx, "logs", "--tail", strconv.Itoa(lines), c.ID).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s(docker logs: %v)", out, err)
	}
	return string(out)
}
