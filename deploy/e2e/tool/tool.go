// Package tool builds the servers that the tests need from their Go modules, once per version
// and machine, into the user's cache directory.
package tool

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tool is a program that is a tool in the go.mod of Dir.
type Tool struct {
	Name    string // of the binary
	Dir     string // the directory of the go.mod; the suite's own if it is empty
	Module  string // the module that determines the version
	Package string // the command's import path
	Tags    string // build tags, separated by commas
	Version string // variable that is set to the module's version at link time; may be empty
}

// Build returns the path of the tool's binary. It is built if this machine has no binary of its version.
func (t Tool) Build(ctx context.Context) (string, error) {
	version, err := t.goCommand(ctx, "list", "-m", "-f", "{{.Version}}", t.Module)
	if err != nil {
		return "", err
	}
	goVersion, err := t.goCommand(ctx, "env", "GOVERSION")
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
	path := filepath.Join(dir, strings.Join([]string{t.Name, version, goVersion}, "-"))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	flags := "-s -w"
	if t.Version != "" {
		number, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), "+") // without +incompatible
		flags += " -X " + t.Version + "=" + number
	}
	unfinished := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(unfinished)
	if _, err := t.goCommand(ctx, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-tags", t.Tags, "-o", unfinished, t.Package); err != nil {
		return "", err
	}
	return path, os.Rename(unfinished, path)
}

func (t Tool) goCommand(ctx context.Context, args ...string) (string, error) {
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = t.Dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}
