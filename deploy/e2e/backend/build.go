// Package backend builds, starts and asks a real Loki and a real Prometheus.
//
// Both are built from their Go modules at the versions of this module's go.mod, once per
// version and machine, into the user's cache directory. They listen on loopback, keep
// their data in a directory of the caller's, and end with Close. Loki and Prometheus ask
// them as a user would, with LogQL and PromQL over HTTP.
package backend

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tool is a program that go.mod names as a tool.
type tool struct{ name, module, pkg, tags string }

// build returns the path of the tool's binary, built if this machine has none of its version.
func (t tool) build(ctx context.Context) (string, error) {
	version, err := goCommand(ctx, "list", "-m", "-f", "{{.Version}}", t.module)
	if err != nil {
		return "", err
	}
	goVersion, err := goCommand(ctx, "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "lighter-e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, strings.Join([]string{t.name, version, goVersion}, "-"))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unfinished := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(unfinished)
	if _, err := goCommand(ctx, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-tags", t.tags, "-o", unfinished, t.pkg); err != nil {
		return "", err
	}
	return path, os.Rename(unfinished, path)
}

func goCommand(ctx context.Context, args ...string) (string, error) {
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}
