package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What waits for an endpoint that the settings name no more is said at the start.
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
