package dockerfiles_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lighter/discovery/dockerfiles"
)

// A container whose files the agent may not read is found nevertheless, and named by its ID.
func TestHidden(t *testing.T) {
	h := host{t, t.TempDir()}
	h.write(idA, configA, hostA)
	h.write(idB, configA, hostA)
	file := filepath.Join(h.root, "containers", idB, "config.v2.json")
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	var log logBook
	d := dockerfiles.New(h.root, logger(&log))
	asNobody(t, h.root, func() {
		for range 3 {
			got, err := d.List()
			if err != nil || len(got) != 2 || got[0].Container.Name != "api-1" || got[1].Container.Name != idB || !got[1].Container.Running || got[1].Container.SkipReason != "" {
				t.Fatalf("targets = %v, err = %v", got, err)
			}
		}
	})
	if n := strings.Count(log.String(), "named by their IDs"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, &log)
	}
	h.remove(idB)
	h.write(idB, strings.ReplaceAll(configA, "api-1", "now"), hostA)
	if got, err := d.List(); err != nil || len(got) != 2 || got[1].Container.Name != "now" {
		t.Errorf("once it can be read: targets = %v, err = %v", got, err)
	}
}

// asNobody calls f as a user without any privileges. The user can read everything below root except for files
// without any permissions.
func asNobody(t *testing.T, root string, f func()) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(root), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return errors.Join(err, os.Chmod(path, 0o755))
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm() != 0 {
			err = os.Chmod(path, 0o644)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the user is set for a single thread
	defer runtime.UnlockOSThread()
	before, err := unix.SetfsuidRetUid(65534)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setfsuid(before); err != nil {
			t.Error(err)
		}
	}()
	f()
}
