package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	label           = "lighter-bench"  // on every container and the image
	image           = "lighter-bench"  // contains only this binary
	containerPrefix = "lighter-bench-" // prefix of every container's name
	pidFile         = "/run/docker.pid"
)

// engine is this machine's Docker Engine, which is used through the docker command.
type engine struct {
	root string // the Engine's data directory
	pid  int    // of dockerd; 0 if unknown
}

// openEngine finds the Engine, removes the remains of a run that crashed, and builds the image.
func openEngine(ctx context.Context) (*engine, error) {
	root, err := docker(ctx, nil, "info", "--format", "{{.DockerRootDir}}")
	if err != nil {
		return nil, err
	}
	e := &engine{root: root}
	if b, err := os.ReadFile(pidFile); err == nil {
		e.pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	if err := e.clean(ctx); err != nil {
		return nil, err
	}
	var rootfs bytes.Buffer
	if err := writeRootfs(&rootfs); err != nil {
		return nil, err
	}
	_, err = docker(ctx, &rootfs, "import", "--change", `ENTRYPOINT ["/bench"]`, "--change", "LABEL "+label+"=", "-", image)
	return e, err
}

func writeRootfs(dst io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	w := tar.NewWriter(dst)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bench", Mode: 0o755, Size: int64(len(b))}); err != nil {
		return err
	}
	_, err = w.Write(b)
	return errors.Join(err, w.Close())
}

// clean removes every container and image with the label.
func (e *engine) clean(ctx context.Context) error {
	err := e.removeContainers(ctx)
	images, err2 := docker(ctx, nil, "image", "ls", "--quiet", "--filter", "label="+label)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if ids := strings.Fields(images); len(ids) > 0 {
		_, err = docker(ctx, nil, append([]string{"image", "rm", "--force"}, ids...)...)
	}
	return err
}

func (e *engine) removeContainers(ctx context.Context) error {
	out, err := docker(ctx, nil, "ps", "--all", "--quiet", "--filter", "label="+label)
	if err != nil {
		return err
	}
	if ids := strings.Fields(out); len(ids) > 0 {
		_, err = docker(ctx, nil, append([]string{"rm", "--force", "--volumes"}, ids...)...)
	}
	return err
}

// runWriters replaces the containers by n new ones that run runWriter with args.
func (e *engine) runWriters(ctx context.Context, n int, args ...string) error {
	if err := e.removeContainers(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range n {
		g.Go(func() error {
			run := []string{"run", "--detach", "--label", label, "--name", writerName(i), "--network", "none",
				"--log-driver", "json-file", "--log-opt", "max-size=10g", image, "write"}
			_, err := docker(ctx, nil, append(run, args...)...)
			return err
		})
	}
	return g.Wait()
}

func writerName(i int) string { return fmt.Sprintf("%s%03d", containerPrefix, i) }

// waitWritten waits until each of n containers has written line number lines.
func (e *engine) waitWritten(ctx context.Context, n, lines int) error {
	for i := range n {
		for {
			state, err := docker(ctx, nil, "inspect", "--format", "{{.State.Running}} with exit code {{.State.ExitCode}}", writerName(i))
			if err != nil {
				return err
			}
			out, err := docker(ctx, nil, "logs", "--tail", "1", writerName(i))
			if err != nil {
				return err
			}
			if seqOf(out) == lines {
				break
			}
			if ended, found := strings.CutPrefix(state, "false "); found {
				return fmt.Errorf("the writer %s has ended %s before line %d; its last line is %q (the binary must be static: build it with CGO_ENABLED=0)", writerName(i), ended, lines, out)
			}
			if !sleep(ctx, 200*time.Millisecond) {
				return ctx.Err()
			}
		}
	}
	return nil
}

// cpu returns the CPU time that dockerd has used, or 0 if it is unknown.
func (e *engine) cpu() (time.Duration, error) {
	if e.pid == 0 {
		return 0, nil
	}
	return cpuOf(e.pid)
}

// docker runs a docker command and returns its trimmed output.
func docker(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
