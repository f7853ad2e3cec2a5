package inotify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

// newWatch returns the Watch of a file, and the log of its Watcher.
func newWatch(t *testing.T) (*Watch, *bytes.Buffer) {
	log := &bytes.Buffer{}
	w := NewWatcher(slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	h := w.Watch(filepath.Join(t.TempDir(), "log"), make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1))
	create(t, h.path)
	return h, log
}

func create(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// refuse makes inotify refuse to watch the given paths, as if there were no more watches.
func refuse(h *Watch, refused func(path string) bool) {
	h.watcher.instance.add = func(fd int, path string, events uint32) (int, error) {
		if refused(path) {
			return -1, unix.ENOSPC
		}
		return unix.InotifyAddWatch(fd, path, events)
	}
}

// A file has two watches, however often it is rotated.
func TestWatchesOfAFile(t *testing.T) {
	h, _ := newWatch(t)
	for i := range 50 {
		h.Arm()
		if err := os.Rename(h.path, fmt.Sprint(h.path, ".", i+1)); err != nil {
			t.Fatal(err)
		}
		create(t, h.path)
	}
	h.Arm()
	if err := h.watcher.drain(); err != nil {
		t.Error(err)
	}
	if n := len(h.watcher.watches); n != 2 {
		t.Errorf("%d watches, want the directory's and the file's", n)
	}
	h.Close()
	if n := len(h.watcher.watches); n != 0 {
		t.Errorf("%d watches after the end, want 0", n)
	}
}

// The Watcher tries again to get watches that were refused.
func TestWatchesAreAskedForAgain(t *testing.T) {
	h, log := newWatch(t)
	h.Close()
	refuse(h, func(string) bool { return true })
	for range 3 {
		if h.Arm() {
			t.Error("armed without a watch")
		}
	}
	if n := strings.Count(log.String(), "fs.inotify.max_user_watches"); n != 1 {
		t.Errorf("said %d times, want 1: %s", n, log)
	}
	refuse(h, func(string) bool { return false })
	if h.Arm() {
		t.Error("what came before the watch was noticed")
	}
	if !h.Arm() {
		t.Error("not armed")
	}
	if err := os.Remove(h.path); err != nil {
		t.Fatal(err)
	}
	create(t, h.path)
	if err := h.watcher.drain(); err != nil {
		t.Error(err)
	}
	if len(h.came) != 1 {
		t.Error("a new file does not wake the reader")
	}
}

// When inotify has lost events, the reader checks by itself.
func TestOverflow(t *testing.T) {
	h, _ := newWatch(t)
	if err := h.watcher.drain(); err != nil {
		t.Error(err)
	}
	select {
	case <-h.came: // the file that was created
	default:
	}
	event := binary.NativeEndian.AppendUint32(nil, ^uint32(0))
	event = binary.NativeEndian.AppendUint32(event, unix.IN_Q_OVERFLOW)
	parse(append(event, make([]byte, 8)...), h.watcher.takeLocked)
	if len(h.came) != 1 {
		t.Error("the reader is not woken")
	}
}

// A reader is told whether its file came or went, and is not woken by other files.
func TestFilesThatComeAndGo(t *testing.T) {
	h, _ := newWatch(t)
	told := func() (came, gone int) {
		t.Helper()
		if err := h.watcher.drain(); err != nil {
			t.Fatal(err)
		}
		for came, gone = len(h.came), len(h.gone); len(h.came)+len(h.gone) > 0; {
			select {
			case <-h.came:
			case <-h.gone:
			}
		}
		return came, gone
	}
	told() // that it was created
	for _, step := range []struct {
		name       string
		do         func() error
		came, gone int
	}{
		{"another file", func() error { return os.WriteFile(h.path+".2", nil, 0o600) }, 0, 0},
		{"renamed", func() error { return os.Rename(h.path, h.path+".1") }, 0, 1},
		{"renamed back", func() error { return os.Rename(h.path+".1", h.path) }, 1, 0},
		{"removed", func() error { return os.Remove(h.path) }, 0, 1},
		{"another removed", func() error { return os.Remove(h.path + ".2") }, 0, 0},
		{"directory removed", func() error { return os.Remove(filepath.Dir(h.path)) }, 1, 0},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if came, gone := told(); came != step.came || gone != step.gone {
			t.Errorf("%s: came %d, gone %d, want %d, %d", step.name, came, gone, step.came, step.gone)
		}
	}
}

// If only the file cannot be watched, that is logged too.
func TestTooFewWatchesForTheFile(t *testing.T) {
	h, log := newWatch(t)
	refuse(h, func(path string) bool { return path == h.path })
	for range 3 {
		if h.Arm() {
			t.Error("armed without a watch")
		}
	}
	if n := strings.Count(log.String(), "fs.inotify.max_user_watches"); n != 1 {
		t.Errorf("said %d times, want 1: %s", n, log)
	}
}

func TestWatcherWithoutInotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &Watcher{}
		done := make(chan error, 1)
		go func() { done <- w.Run(t.Context()) }()
		t.Cleanup(func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	})
}

func TestClosedWatcher(t *testing.T) {
	w := NewWatcher(slog.New(slog.DiscardHandler))
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := w.Run(t.Context()); err != nil {
		t.Error(err)
	}
}
