package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lighter/discovery/dockersim"
)

// smallDisk mounts a small file system, or skips the test.
func smallDisk(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill fills a disk to its last byte. It returns the file to remove to make room.
func fill(t *testing.T, dir string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return ballast
}

// An agent that finds its disk full starts nevertheless, delivers, and logs that once.
func TestStartOnAFullDisk(t *testing.T) {
	t.Run("with positions", func(t *testing.T) {
		h := newDockerHost(t)
		dir := smallDisk(t, "size=256k")
		h.environ = append(h.environ, "LIGHTER_DATA_DIR="+dir, "GRAFANA_PROM_URL="+h.backend.URL()+"/api/v1/write")
		app := h.create(dockersim.Spec{Name: "app"})
		_, stop := h.start("socket")
		h.count(app, 10)
		h.arrived()
		stop()

		ballast := fill(t, dir)
		line, end := startAgent(t, append(h.environ, "LIGHTER_LOG_SOURCE=socket"), "run")
		if line.Port == 0 {
			t.Errorf("listening = %+v", line)
		}
		h.count(app, 10)
		h.arrived() // what arrived before is not sent again
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		code, log := end()
		if code != exitOK || strings.Count(log, "positions cannot be written") != 1 {
			t.Errorf("exit %d, want 0 and the full disk said once:\n%s", code, log)
		}

		_, stop = h.start("socket")
		h.count(app, 10)
		h.arrived()
		stop()
	})
	t.Run("with nothing yet", func(t *testing.T) {
		h := newDockerHost(t)
		dir := smallDisk(t, "size=64k,nr_inodes=2")
		ballast := fill(t, dir)
		h.environ = append(h.environ, "LIGHTER_DATA_DIR="+filepath.Join(dir, "lighter"), "GRAFANA_PROM_URL="+h.backend.URL()+"/api/v1/write")
		app := h.create(dockersim.Spec{Name: "app"})
		_, end := startAgent(t, append(h.environ, "LIGHTER_LOG_SOURCE=socket"), "run")
		h.count(app, 10)
		h.arrived()
		if err := errors.Join(os.Remove(ballast), syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=256k,nr_inodes=100")); err != nil {
			t.Fatal(err)
		}
		code, log := end()
		if code != exitOK || strings.Count(log, "positions cannot be written") != 1 || strings.Count(log, "queue on disk cannot be made yet") != 2 || strings.Count(log, "not locked for this process yet") != 1 {
			t.Errorf("exit %d, want 0 and the full disk said once for each part:\n%s", code, log)
		}
		_, stop := h.start("socket")
		h.count(app, 10)
		h.arrived()
		stop()
	})
}
