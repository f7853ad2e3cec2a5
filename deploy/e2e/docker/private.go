package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Private is a second Engine on this machine, with a data directory, a containerd and a
// socket of its own. It uses a bridge that is there already and touches no firewall rule.
// It may be killed and started again.
type Private struct {
	Engine
	dir    string
	bridge string
	daemon *exec.Cmd     // nil while it is down
	ended  chan struct{} // closed when daemon has ended
	log    *os.File
}

// NewPrivate starts an Engine and waits until it answers. There is one at a time on a machine:
// what a run that died has left of it is removed first. Its containers are on the bridge, an
// interface that nobody else uses: without one the Engine would remove docker0, which is
// another's.
func NewPrivate(ctx context.Context, bridge string) (*Private, error) {
	dir := filepath.Join(os.TempDir(), "lighter-e2e-engine") // short: socket paths have a limit
	p := &Private{dir: dir, bridge: bridge, Engine: Engine{Socket: filepath.Join(dir, "run", "docker.sock")}}
	p.host = "unix://" + p.Socket
	if err := p.sweep(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(p.Socket), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{}"), 0o600); err != nil {
		return nil, err
	}
	var err error
	if p.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	return p, p.Start(ctx)
}

// Start starts the Engine after Kill and waits until it answers.
func (p *Private) Start(ctx context.Context) error {
	p.daemon = exec.Command("dockerd",
		"--config-file", filepath.Join(p.dir, "daemon.json"),
		"--data-root", filepath.Join(p.dir, "data"),
		"--exec-root", filepath.Join(p.dir, "exec"),
		"--pidfile", filepath.Join(p.dir, "pid"),
		"--host", p.host,
		"--storage-driver", "vfs", // the images are small, and it works on every file system
		"--bridge", p.bridge, "--iptables=false", "--ip6tables=false",
		"--log-level", "warn",
	)
	p.daemon.Stdout, p.daemon.Stderr = p.log, p.log
	// ^C at the test reaches it through Close only; a test that is killed takes it along.
	p.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.daemon.Start(); err != nil {
		return fmt.Errorf("start a private Engine: %w", err)
	}
	ended, daemon := make(chan struct{}), p.daemon
	go func() { _ = daemon.Wait(); close(ended) }()
	p.ended = ended

	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := p.Do(ctx, "info", "--format", "{{.ID}}")
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("private Engine ended at once: %s", p.tail())
		case <-ctx.Done():
			return fmt.Errorf("private Engine does not answer: %w: %s", err, p.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Kill ends the Engine with SIGKILL, and its containerd with it. Its containers' processes are
// left to the next Start, which ends them, and starts again those with a restart policy.
func (p *Private) Kill() error {
	containerd, err := os.ReadFile(filepath.Join(p.dir, "exec", "containerd", "containerd.pid"))
	if err != nil {
		return fmt.Errorf("kill the private Engine: %w", err)
	}
	if err := p.daemon.Process.Kill(); err != nil {
		return fmt.Errorf("kill the private Engine: %w", err)
	}
	<-p.ended
	// While the dead containerd still has an entry in /proc, a new Engine takes it for alive.
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(containerd))); err != nil {
			return nil
		}
	}
	return fmt.Errorf("containerd (process %s) outlives the private Engine", containerd)
}

// Close removes the Engine's containers, ends it, and leaves nothing of it.
func (p *Private) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	select {
	case <-p.ended:
	default:
		errs = append(errs, p.Clean(ctx, false), p.daemon.Process.Signal(syscall.SIGTERM))
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		errs = append(errs, errors.New("private Engine does not stop"), p.Kill())
	}
	return errors.Join(append(errs, p.log.Close(), p.sweep())...)
}

func (p *Private) tail() string {
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return lastLines(string(b), 10)
}
