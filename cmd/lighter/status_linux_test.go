package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"lighter/discovery/dockersim"
)

// A disk that hangs delays discovery, but not the agent's status.
func TestStatusDoesNotWaitForADiskThatHangs(t *testing.T) {
	h := newDockerHost(t)
	root := t.TempDir()
	c := h.create(dockersim.Spec{Name: "app"})
	log := filepath.Join(root, "containers", c.ID(), c.ID()+"-json.log")
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(log, 0o600); err != nil { // opening it waits for a writer
		t.Fatal(err)
	}
	url, stop := h.start("auto", "LIGHTER_DOCKER_ROOT="+root)
	await(t, "the container is inspected", func() bool {
		for _, r := range h.engine.Requests() {
			if strings.HasSuffix(r.Path, c.ID()+"/json") {
				return true
			}
		}
		return false
	})
	await(t, "the log's file is being opened", opensLog)
	for range 200 {
		if st := h.status(url); len(st.Containers) != 0 {
			t.Fatalf("containers = %+v, want none while the first is looked for", st.Containers)
		}
	}
	writer, err := os.OpenFile(log, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := os.Rename(log, log+".away"); err != nil {
		t.Fatal(err)
	}
	await(t, "the container is found", func() bool { return len(h.status(url).Containers) == 1 })
	stop()
}

// opensLog reports whether some goroutine is opening a file of a container's log.
func opensLog() bool {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "syscall.openat(") && strings.Contains(stack, "lighter/collector/filelog.") {
			return true
		}
	}
	return false
}
