package queue_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullFileSystem fills a real file system; acknowledging records makes room again.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	f := open(t, filepath.Join(dir, "queue"), maxBytes(64<<20))
	t.Cleanup(func() { _ = f.Close() }) // before the file system is unmounted
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
	f.mustAppend(t, 0, body(n, 100_000)) // the queue recovers without another call
}

// TestStartOnAFullFileSystem: a directory that cannot be created yet is created when there is room.
func TestStartOnAFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=3"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := []string{filepath.Join(dir, "ballast1"), filepath.Join(dir, "ballast2")}
	for _, file := range ballast {
		mustWrite(t, file, nil)
	}
	q, err := tryOpen(filepath.Join(dir, "logs", "queue"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	if n := strings.Count(q.log.String(), "Free space"); n != 1 || strings.Count(q.log.String(), "\n") != 1 {
		t.Errorf("want it said once, with what to do:\n%s", &q.log)
	}
	if err := q.Append(0, 1, []byte("x")); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "Free space") {
		t.Errorf("Append = %v, want ENOSPC and what to do", err)
	}
	for _, file := range ballast {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64k,nr_inodes=10"); err != nil {
		t.Fatal(err)
	}
	q.mustAppend(t, 0, []byte("y"))
	if got := q.drain(t, 0); len(got) != 1 || got[0] != "y" {
		t.Errorf("records = %q, want the one that was taken", got)
	}
}
