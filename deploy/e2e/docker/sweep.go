package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sweep kills the processes that an Engine left behind, and removes its directory and the mounts in it.
// After a clean stop, only the directory is left to remove.
func (d *daemon) sweep() error {
	for _, shim := range processesNaming(d.dir) {
		for _, pid := range append(children(shim), shim) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended already
		}
	}
	for _, mount := range mountsBelow(d.dir) {
		if err := syscall.Unmount(mount, syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", mount, err)
		}
	}
	var err error
	for range 50 { // killed processes may still use the mounts
		if err = os.RemoveAll(d.dir); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// programs are the prefixes of the names of an Engine's programs.
var programs = []string{"dockerd", "containerd", "podman", "conmon"}

// processesNaming returns the Engine's processes that have a path in dir on their command line: dockerd and
// containerd or podman, and a containerd-shim or conmon for each container.
func processesNaming(dir string) []int {
	var out []int
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		args, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(args), dir+"/") {
			continue
		}
		program, _, _ := strings.Cut(string(args), "\x00")
		if name := filepath.Base(program); !slices.ContainsFunc(programs, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// children returns the child processes of pid.
func children(pid int) []int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var out []int
	for _, word := range strings.Fields(string(b)) {
		if child, err := strconv.Atoi(word); err == nil {
			out = append(out, child)
		}
	}
	return out
}

// mountsBelow returns the mount points in dir, the innermost first.
func mountsBelow(dir string) []string {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			out = append(out, f[1])
		}
	}
	slices.Reverse(out)
	return out
}
