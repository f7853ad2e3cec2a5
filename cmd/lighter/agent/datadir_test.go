package agent

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lighter"
)

// At the start, the agent warns of data on disk for an endpoint that is no longer in the settings.
func TestWarnOfOrphans(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"logs/loki/1": 5, "metrics/prometheus/1": 7, "metrics/old/1": 0, "other/x/1": 9} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	warnOfOrphans(dir, map[string]bool{filepath.Join(dir, "logs", "loki"): true}, slog.New(slog.NewTextHandler(&log, nil)))
	want := "directory=" + filepath.Join(dir, "metrics", "prometheus") + " bytes=7"
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) {
		t.Errorf("log:\n%swant one line with %s", got, want)
	}
}

// TestTheDataDirectoryIsLockedWhenThereIsRoom: while a full disk prevents the lock that is logged, and the
// lock is taken as soon as there is room.
func TestTheDataDirectoryIsLockedWhenThereIsRoom(t *testing.T) {
	for name, spoil := range map[string]func(d *dataDir, broken *atomic.Bool){
		"no directory yet": func(d *dataDir, broken *atomic.Bool) {
			d.mkdir = func(path string, perm fs.FileMode) error {
				if broken.Load() {
					return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOSPC}
				}
				return os.MkdirAll(path, perm)
			}
		},
		"a lock that fails": func(d *dataDir, broken *atomic.Bool) {
			d.flock = func(fd, how int) error {
				if broken.Load() {
					return syscall.EIO
				}
				return syscall.Flock(fd, how)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				dir := filepath.Join(t.TempDir(), "lighter")
				var broken atomic.Bool
				broken.Store(true)
				d := &dataDir{dir: dir, logger: slog.New(slog.NewTextHandler(&log, nil)), mkdir: os.MkdirAll, flock: syscall.Flock}
				spoil(d, &broken)
				logged := func() string {
					d.mu.Lock()
					defer d.mu.Unlock()
					return log.String()
				}
				if err := d.take(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if n := strings.Count(logged(), "not locked for this process yet"); n != 1 {
					t.Errorf("logged %d times, want once:\n%s", n, logged())
				}
				other := &dataDir{dir: dir, logger: slog.New(slog.DiscardHandler), mkdir: os.MkdirAll, flock: syscall.Flock}
				if err := other.take(); err != nil {
					t.Fatal(err)
				}
				broken.Store(false)
				time.Sleep(time.Minute)
				if !strings.Contains(logged(), "give each one a directory of its own") {
					t.Errorf("the other agent is not named:\n%s", logged())
				}
				if err := other.unlock(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if err := other.take(); err == nil || !strings.Contains(err.Error(), "Another agent uses it") {
					t.Errorf("err = %v, want that another agent uses it", err)
				}
				if err := d.unlock(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestADirectoryWithoutLocks: the error is a whole sentence.
func TestADirectoryWithoutLocks(t *testing.T) {
	d := &dataDir{dir: t.TempDir(), logger: slog.New(slog.DiscardHandler), mkdir: os.MkdirAll, flock: func(int, int) error { return syscall.EOPNOTSUPP }}
	want := "data directory " + d.dir + " (" + lighter.SettingDataDir + "): cannot lock it for this process: operation not supported. Put it on a file system that has locks"
	if err := d.take(); err == nil || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}
