package filelog

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// If reading inotify fails, nothing ends: logs are checked by the clock from then on.
func TestAnInotifyThatFailsWhileItRuns(t *testing.T) {
	for name, fail := range map[string]func(*Watcher){
		"closed":         func(w *Watcher) { _ = w.file.Close() },
		"read by Run":    func(w *Watcher) { w.Break() },
		"read by others": func(w *Watcher) { w.Break(); _ = w.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			w := NewWatcher(slog.New(slog.NewTextHandler(&log, nil)))
			h := w.watch(filepath.Join(t.TempDir(), "log"), make(chan struct{}, 1), make(chan struct{}, 1))
			create(t, h.path)
			h.arm()
			if err := w.drain(); err != nil {
				t.Fatal(err)
			}
			select { // the new file
			case <-h.look:
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
			case <-h.look: // its reader is woken, and finds out that it must check by the clock
			case err := <-done:
				t.Fatalf("Run = %v, want that it goes on", err)
			}
			for range 3 {
				if h.arm() {
					t.Error("armed, though nothing will tell")
				}
			}
			other := w.watch(filepath.Join(t.TempDir(), "log"), make(chan struct{}, 1), make(chan struct{}, 1))
			if other.arm() {
				t.Error("another log is armed, though nothing will tell")
			}
			other.close()
			h.close()
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
