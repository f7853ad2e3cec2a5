// Package docker uses a Docker Engine through its command line, as a user would.
//
// Everything that it creates has Label, and Clean removes everything with it, so that a run that crashed
// leaves nothing to the next one. It can also start further Engines: Docker's (Private), which a test may kill
// without affecting other containers, and Podman.
package docker

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Label is the label of every container, network, volume and image that this package creates.
const Label = "lighter-e2e"

// Engine is a Docker Engine at an address. It is safe for concurrent use.
type Engine struct {
	host string // as in DOCKER_HOST; if empty, the default of the docker command
	// Socket is the Engine's socket file.
	Socket string
}

// Default returns the Engine of this machine.
func Default() *Engine { return &Engine{Socket: "/var/run/docker.sock"} }

// Do runs docker with the arguments and returns its trimmed standard output.
func (e *Engine) Do(ctx context.Context, args ...string) (string, error) {
	return e.do(ctx, nil, args...)
}

func (e *Engine) do(ctx context.Context, env []string, args ...string) (string, error) {
	cmd := e.command(ctx, args...)
	cmd.Env = append(cmd.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		// The errors of a build are on the standard output.
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, lastLines(stdout.String()+stderr.String(), 20))
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (e *Engine) command(ctx context.Context, args ...string) *exec.Cmd {
	if e.host != "" {
		args = append([]string{"--host", e.host}, args...)
	}
	return exec.CommandContext(ctx, "docker", args...)
}

// Name returns the Engine's name for its host.
func (e *Engine) Name(ctx context.Context) (string, error) {
	return e.Do(ctx, "info", "--format", "{{.Name}}")
}

// Root returns the Engine's data directory.
func (e *Engine) Root(ctx context.Context) (string, error) {
	return e.Do(ctx, "info", "--format", "{{.DockerRootDir}}")
}

// Network creates a bridge network and returns the address of its gateway, at which only the containers in
// that network can reach this machine.
func (e *Engine) Network(ctx context.Context, name string) (string, error) {
	// The bridge has the network's name, so that another Engine can be put on it.
	if _, err := e.Do(ctx, "network", "create", "--label", Label, "--opt", "com.docker.network.bridge.name="+name, name); err != nil {
		return "", err
	}
	return e.Do(ctx, "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", name)
}

// Volume creates a named volume.
func (e *Engine) Volume(ctx context.Context, name string) error {
	_, err := e.Do(ctx, "volume", "create", "--label", Label, name)
	return err
}

// Clean removes every container, network and volume with Label, and if images is set, every image too.
func (e *Engine) Clean(ctx context.Context, images bool) error {
	kinds := []struct{ list, remove []string }{
		{[]string{"ps", "-aq", "--no-trunc"}, []string{"rm", "--force", "--volumes"}},
		{[]string{"network", "ls", "-q"}, []string{"network", "rm"}},
		{[]string{"volume", "ls", "-q"}, []string{"volume", "rm", "--force"}},
	}
	if images {
		kinds = append(kinds, struct{ list, remove []string }{[]string{"image", "ls", "-q"}, []string{"image", "rm", "--force"}})
	}
	for _, k := range kinds {
		out, err := e.Do(ctx, append(k.list, "--filter", "label="+Label)...)
		if err != nil {
			return err
		}
		if ids := unique(strings.Fields(out)); len(ids) > 0 {
			if _, err := e.Do(ctx, append(k.remove, ids...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

func unique(words []string) []string {
	seen := make(map[string]bool)
	var out []string
	for _, w := range words {
		if !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	return out
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
