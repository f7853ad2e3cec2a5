package filelog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lighter"
)

// newWatch returns the watch of a log, and the log of its Watcher.
func newWatch(t *testing.T) (*watch, *bytes.Buffer) {
	log := &bytes.Buffer{}
	w := NewWatcher(slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	h := w.watch(filepath.Join(t.TempDir(), "log"), make(chan struct{}, 1), make(chan struct{}, 1))
	create(t, h.path)
	return h, log
}

func create(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A log has two watches, however often it is rotated.
func TestWatchesOfALog(t *testing.T) {
	h, _ := newWatch(t)
	for i := range 50 {
		h.arm()
		if err := os.Rename(h.path, fmt.Sprint(h.path, ".", i+1)); err != nil {
			t.Fatal(err)
		}
		create(t, h.path)
	}
	h.arm()
	if err := h.watcher.drain(); err != nil {
		t.Error(err)
	}
	if n := len(h.watcher.watches); n != 2 {
		t.Errorf("%d watches, want the directory's and the file's", n)
	}
	h.close()
	if n := len(h.watcher.watches); n != 0 {
		t.Errorf("%d watches after the end, want 0", n)
	}
}

// The Watcher tries again to get watches that were refused.
func TestWatchesAreAskedForAgain(t *testing.T) {
	h, log := newWatch(t)
	h.close()
	h.watcher.Refuse(func(string) bool { return true })
	for range 3 {
		if h.arm() {
			t.Error("armed without a watch")
		}
	}
	if n := strings.Count(log.String(), "fs.inotify.max_user_watches"); n != 1 {
		t.Errorf("said %d times, want 1: %s", n, log)
	}
	h.watcher.Refuse(func(string) bool { return false })
	if h.arm() {
		t.Error("what came before the watch was noticed")
	}
	if !h.arm() {
		t.Error("not armed")
	}
	if err := os.Remove(h.path); err != nil {
		t.Fatal(err)
	}
	create(t, h.path)
	if err := h.watcher.drain(); err != nil {
		t.Error(err)
	}
	if len(h.look) != 1 {
		t.Error("a new file does not wake the Tailer")
	}
}

// When inotify has lost events, the Tailer checks by itself.
func TestOverflow(t *testing.T) {
	h, _ := newWatch(t)
	if err := h.watcher.drain(); err != nil {
		t.Error(err)
	}
	select {
	case <-h.look: // the file that was created
	default:
	}
	h.watcher.Overflow()
	if len(h.look) != 1 {
		t.Error("the Tailer is not woken")
	}
}

func TestAdvise(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"not allowed": {&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}, "run the agent as root, or set " + lighter.SettingSocketSource},
		"no file":     {fmt.Errorf("open /x: %w", errNoFile), lighter.SettingDockerRoot},
	} {
		if err := advise(tc.err); !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "group") {
			t.Errorf("%s: %v, want in it: %s", name, err, tc.want)
		}
	}
}
