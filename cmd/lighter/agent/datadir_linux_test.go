package agent

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The error for a data directory that is in use, or that cannot be used as it is set up, names the remedy.
func TestDataDirectoryThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	first, err := openData(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.close() }()
	if _, err := openData(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "Another agent uses it") {
		t.Errorf("err = %v, want that another agent uses it", err)
	}
	if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := openData(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "Another agent uses it") {
		t.Errorf("without the lock's file: err = %v, want that another agent uses it", err)
	}
	t.Run("read-only", func(t *testing.T) {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Skipf("a small file system cannot be mounted here: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		for _, d := range []string{dir, filepath.Join(dir, "lighter")} {
			if _, err := openData(d, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "mount a volume there") {
				t.Errorf("err = %v, want that it is read-only and what to do", err)
			}
		}
	})
}
