package docker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lighter/deploy/e2e/tool"
)

// Private is a second Docker Engine on this machine, with its own data directory, containerd and socket. It
// uses an existing bridge and does not change firewall rules. It may be killed and started again.
type Private struct {
	Engine
	// Program is the path of its dockerd.
	Program string

	daemon
	bridge string
}

// Current builds the dockerd of a current Docker Engine and returns its path.
func Current(ctx context.Context) (string, error) {
	// The btrfs driver is not needed, and its headers may be missing.
	path, err := tool.Tool{
		Name: "dockerd", Dir: "engine28", Module: "github.com/docker/docker",
		Package: "github.com/docker/docker/cmd/dockerd", Tags: "exclude_graphdriver_btrfs",
		Version: "github.com/docker/docker/dockerversion.Version",
	}.Build(ctx)
	if err != nil {
		return "", fmt.Errorf("build a current Docker Engine: %w", err)
	}
	return path, nil
}

// NewPrivate starts an Engine and waits until it responds. There can be only one of a name on a machine, so
// the remains of a run that crashed are removed first. Its containers are on the bridge, an interface that
// nobody else uses: without it, the Engine would remove docker0, which belongs to another Engine.
func NewPrivate(ctx context.Context, program, name, bridge string) (*Private, error) {
	p := &Private{Program: program, bridge: bridge}
	if err := p.prepare(name); err != nil {
		return nil, err
	}
	p.Socket = filepath.Join(p.dir, "run", "docker.sock")
	p.host = "unix://" + p.Socket
	if err := os.WriteFile(filepath.Join(p.dir, "daemon.json"), []byte("{}"), 0o600); err != nil {
		return nil, err
	}
	return p, p.Start(ctx)
}

// Start starts the Engine after Kill and waits until it responds.
func (p *Private) Start(ctx context.Context) error {
	err := p.start(ctx, &p.Engine, exec.Command(p.Program,
		"--config-file", filepath.Join(p.dir, "daemon.json"),
		"--data-root", filepath.Join(p.dir, "data"),
		"--exec-root", filepath.Join(p.dir, "exec"),
		"--pidfile", filepath.Join(p.dir, "pid"),
		"--host", p.host,
		"--storage-driver", "vfs", // it works on every file system, and the images are small
		"--bridge", p.bridge, "--iptables=false", "--ip6tables=false",
		"--log-level", "warn",
	))
	if err != nil {
		return fmt.Errorf("start a private Engine: %w", err)
	}
	return nil
}

// Kill kills the Engine and its containerd with SIGKILL. The processes of its containers remain until the
// next Start, which ends them and restarts containers with a restart policy.
func (p *Private) Kill() error {
	containerd, err := os.ReadFile(filepath.Join(p.dir, "exec", "containerd", "containerd.pid"))
	if err != nil {
		return fmt.Errorf("kill the private Engine: %w", err)
	}
	if err := p.process.Process.Kill(); err != nil {
		return fmt.Errorf("kill the private Engine: %w", err)
	}
	<-p.ended
	// While the dead containerd still has an entry in /proc, a new Engine assumes that it is running.
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(containerd))); err != nil {
			return nil
		}
	}
	return fmt.Errorf("containerd (process %s) still runs after the private Engine was killed", containerd)
}

// Close removes the Engine's containers, stops the Engine, and removes its files.
func (p *Private) Close() error { return p.stop(&p.Engine) }
