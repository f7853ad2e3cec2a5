package queue_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullFileSystem fills a real one; what is acknowledged makes room again.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	f := open(t, filepath.Join(dir, "queue"), maxBytes(64<<20))
	t.Cleanup(func() { _ = f.Close() }) // before the file system goes
	n, took := 0, 0
	for failures := 0; failures < 50; n++ {
		err := f.Append(0, 1, body(n, 3000))
		switch {
		case err == nil:
			took++
		case errors.Is(err, syscall.ENOSPC) && strings.Contains(err.Error(), "Free space"):
			failures++
		default:
			t.Fatal(err)
		}
		if failures > 0 && failures%5 == 0 && err != nil { // room for one comes back
			r, _ := f.mustNext(t, 0)
			if err := f.Ack(r); err != nil {
				t.Fatalf("acknowledge on a full disk: %v", err)
			}
			took--
		}
	}
	again := open(t, crash(t, f.opts.Dir), maxBytes(64<<20))
	if got := again.drain(t, 0); len(got) != took || took < 100 || again.log.Len() > 0 {
		t.Errorf("%d records after a crash, want %d; log: %s", len(got), took, &again.log)
	}
	for r, ok := f.poll(t, 0); ok; r, ok = f.poll(t, 0) {
		if err := f.Ack(r); err != nil {
			t.Fatal(err)
		}
	}
	f.mustAppend(t, 0, body(n, 100_000)) // it goes on by itself
}
