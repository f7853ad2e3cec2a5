package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// daemon is the process of an Engine that this package starts. All its files are in dir.
type daemon struct {
	dir     string
	log     *os.File
	process *exec.Cmd
	ended   chan struct{} // closed when process has ended
}

// prepare creates the directory of that name again, without the remains of a run that crashed.
func (d *daemon) prepare(name string) error {
	d.dir = filepath.Join(os.TempDir(), name) // short, because socket paths have a limit
	if err := d.sweep(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(d.dir, "run"), 0o755); err != nil {
		return err
	}
	var err error
	d.log, err = os.Create(filepath.Join(d.dir, "log"))
	return err
}

// start starts the process and waits until the Engine responds.
func (d *daemon) start(ctx context.Context, e *Engine, process *exec.Cmd) error {
	process.Stdout, process.Stderr = d.log, d.log
	// Ctrl+C does not reach the process directly: Close stops it. If the test is killed, it is killed too.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = process.Wait(); close(ended) }()
	d.process, d.ended = process, ended

	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := e.Do(ctx, "info", "--format", "{{.ID}}")
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("%s ended immediately: %s", process.Path, d.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not respond: %w: %s", process.Path, err, d.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop removes the Engine's containers, stops the Engine, and removes its files. Processes that do not stop
// are killed.
func (d *daemon) stop(e *Engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if d.process != nil {
		select {
		case <-d.ended:
		default:
			errs = append(errs, e.Clean(ctx, false), d.process.Process.Signal(syscall.SIGTERM))
		}
		select {
		case <-d.ended:
		case <-ctx.Done():
			errs = append(errs, errors.New(d.process.Path+" does not stop"), d.process.Process.Kill())
			<-d.ended
		}
	}
	return errors.Join(append(errs, d.log.Close(), d.sweep())...)
}

func (d *daemon) tail() string {
	b, err := os.ReadFile(d.log.Name())
	if err != nil {
		return err.Error()
	}
	return lastLines(string(b), 10)
}
