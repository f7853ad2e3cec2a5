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

// daemon is the process of an Engine that this package starts. All that the Engine has is in dir.
type daemon struct {
	dir     string
	log     *os.File
	process *exec.Cmd
	ended   chan struct{} // closed when process has ended
}

// prepare removes what a run that died has left in the directory of that name and makes it again.
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

// start starts the process and waits until the Engine answers.
func (d *daemon) start(ctx context.Context, e *Engine, process *exec.Cmd) error {
	process.Stdout, process.Stderr = d.log, d.log
	// ^C at the test reaches the process through Close only; a test that is killed takes it along.
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
			return fmt.Errorf("%s ended at once: %s", process.Path, d.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w: %s", process.Path, err, d.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop removes the Engine's containers, ends it, and leaves nothing of it. What does not end when
// it is asked to is killed.
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
