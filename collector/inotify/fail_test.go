package inotify

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// If reading inotify fails, nothing ends: files are checked by the clock from then on.
func TestAnInotifyThatFailsWhileItRuns(t *testing.T) {
	for name, fail := range map[string]func(*Watcher){
		"closed":         func(w *Watcher) { _ = w.instance.Close() },
		"read by Run":    failReads,
		"read by others": func(w *Watcher) { failReads(w); _ = w.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			w := NewWatcher(slog.New(slog.NewTextHandler(&log, nil)))
			h := w.Watch(filepath.Join(t.TempDir(), "log"), make(chan struct{}, 1), make(chan struct{}, 1), nil)
			create(t, h.path)
			h.Arm()
			if err := w.drain(); err != nil {
				t.Fatal(err)
			}
			select { // the new file
			case <-h.came:
			default:
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.Run(ctx) }()
			fail(w)
			if err := os.WriteFile(h.path, []byte("x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			select {
			case <-h.came: // its reader is woken, and finds out that it must check by the clock
			case err := <-done:
				t.Fatalf("Run = %v, want that it goes on", err)
			}
			for range 3 {
				if h.Arm() {
					t.Error("armed, though nothing will tell")
				}
			}
			other := w.Watch(filepath.Join(t.TempDir(), "log"), make(chan struct{}, 1), make(chan struct{}, 1), nil)
			if other.Arm() {
				t.Error("another file is armed, though nothing will tell")
			}
			other.Close()
			h.Close()
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
			if err := w.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "inotify") {
				t.Errorf("want it said once:\n%s", &log)
			}
		})
	}
}

// failReads makes reading fail from now on.
func failReads(w *Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instance.read = func(int, []byte) (int, error) { return -1, unix.EIO }
}
