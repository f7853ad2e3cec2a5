package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds the Dockerfile of dir on the host's network with the classic builder, which every Engine
// has, and tags the image.
func (e *Engine) Build(ctx context.Context, dir, tag string, args ...string) error {
	args = append([]string{"build", "--network", "host", "--label", Label, "--tag", tag}, args...)
	_, err := e.do(ctx, []string{"DOCKER_BUILDKIT=0"}, append(args, dir)...)
	return err
}

// Copy copies an image of this Engine to another one.
func (e *Engine) Copy(ctx context.Context, to *Engine, image string) error {
	file := filepath.Join(os.TempDir(), fmt.Sprintf("lighter-e2e-%d.tar", os.Getpid()))
	defer os.Remove(file)
	if _, err := e.Do(ctx, "save", "--output", file, image); err != nil {
		return err
	}
	_, err := to.Do(ctx, "load", "--input", file)
	return err
}

// GoImage makes sure that there is an image named tag with a shell, a CA bundle and Go. If it does not
// exist, it is built from this machine's files, so that no registry is needed.
func (e *Engine) GoImage(ctx context.Context, tag string) error {
	if _, err := e.Do(ctx, "image", "inspect", tag); err == nil {
		return nil
	}
	shell, err := busybox(ctx)
	if err != nil {
		return err
	}
	cmd := e.command(ctx, "import",
		"--change", "LABEL "+Label+"=",
		"--change", "ENV PATH=/go/bin:/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin GOPATH=/go GOTOOLCHAIN=local",
		"-", tag)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	err = errors.Join(goRoot(ctx, in, shell), in.Close())
	if err := errors.Join(cmd.Wait(), err); err != nil {
		return fmt.Errorf("import %s: %w: %s", tag, err, &stderr)
	}
	return nil
}

// busybox returns the path of a static busybox, installed if it is missing.
func busybox(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("busybox"); err == nil {
		return path, nil
	}
	out, err := exec.CommandContext(ctx, "sh", "-c", "apt-get install -qq -y busybox-static || { apt-get update -qq && apt-get install -qq -y busybox-static; }").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("install busybox-static: %w: %s", err, lastLines(string(out), 5))
	}
	return exec.LookPath("busybox")
}

// goRoot writes the image's file tree as a tar archive.
func goRoot(ctx context.Context, dst io.Writer, shell string) error {
	w := tar.NewWriter(dst)
	if err := addFile(w, "bin/busybox", shell); err != nil {
		return err
	}
	applets, err := exec.CommandContext(ctx, shell, "--list").Output()
	if err != nil {
		return fmt.Errorf("list the applets of busybox: %w", err)
	}
	for _, name := range strings.Fields(string(applets)) {
		if name == "busybox" {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox", Mode: 0o777}); err != nil {
			return err
		}
	}
	const bundle = "etc/ssl/certs/ca-certificates.crt"
	if err := addFile(w, bundle, "/"+bundle); err != nil {
		return fmt.Errorf("the CA bundle (Debian package ca-certificates): %w", err)
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find this machine's Go: %w", err)
	}
	root := strings.TrimSpace(string(out))
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (rel == "test" || rel == "doc" || rel == "api" || d.Name() == "testdata"):
			return filepath.SkipDir
		case !d.Type().IsRegular() || strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		return addFile(w, filepath.Join("usr/local/go", rel), path)
	})
	return errors.Join(err, w.Close())
}

func addFile(w *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = name, 0, 0, "root", "root"
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
