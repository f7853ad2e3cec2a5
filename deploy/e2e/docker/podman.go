package docker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Podman is Podman's Docker-compatible service, with its own storage, locks and settings, so that it does
// not affect the machine's Podman. Its containers have no network.
type Podman struct {
	Engine
	daemon
}

// podmanSettings replace the machine's settings and Podman's defaults that do not work here.
const podmanSettings = `
[containers]
# Podman's own defaults are above what a container's root, or a small virtual machine, may ask for.
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
# The default, in /dev/shm, is one for the whole machine.
lock_type = "file"

[network]
network_config_dir = "%s"
`

// NewPodman starts the service and waits until it responds. There can be only one on a machine, so the
// remains of a run that crashed are removed first.
func NewPodman(ctx context.Context) (*Podman, error) {
	p := new(Podman)
	if err := p.prepare("lighter-e2e-podman"); err != nil {
		return nil, err
	}
	p.Socket = filepath.Join(p.dir, "run", "docker.sock")
	p.host = "unix://" + p.Socket
	settings := filepath.Join(p.dir, "containers.conf")
	if err := os.WriteFile(settings, fmt.Appendf(nil, podmanSettings, filepath.Join(p.dir, "net")), 0o600); err != nil {
		return nil, err
	}
	service := exec.Command("podman",
		"--root", filepath.Join(p.dir, "data"),
		"--runroot", filepath.Join(p.dir, "exec"),
		"--tmpdir", filepath.Join(p.dir, "tmp"),
		"--storage-driver", "vfs", // as for a private Docker Engine
		"system", "service", "--time=0", p.host)
	service.Env = append(service.Environ(), "CONTAINERS_CONF="+settings)
	if err := p.start(ctx, &p.Engine, service); err != nil {
		return p, fmt.Errorf("start Podman: %w", err)
	}
	// Docker's socket is also accessible for its group, but this one only for root.
	return p, os.Chmod(p.Socket, 0o660)
}

// Close removes the service's containers, stops the service, and removes its files.
func (p *Podman) Close() error { return p.stop(&p.Engine) }
