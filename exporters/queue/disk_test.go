package queue_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A disk that fails: Append says what to do and takes nothing; when it works again so does
// the queue, and a crash in between loses nothing.
func TestDiskThatFails(t *testing.T) {
	for name, tc := range map[string]struct {
		cause error
		room  int // bytes that are written all the same
		want  string
	}{
		"full":                         {syscall.ENOSPC, 0, "Free space"},
		"full within the body":         {syscall.ENOSPC, 60, "Free space"},
		"full between body and header": {syscall.ENOSPC, 106, "Free space"},
		"over quota in the header":     {syscall.EDQUOT, 120, "Free space"},
		"read-only":                    {syscall.EROFS, 0, "writable for user"},
		"broken":                       {syscall.EIO, 10, "kernel's log"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir)
			f.mustAppend(t, 0, []byte("before"))
			for _, size := range []int{100, 100_000} { // into the segment, and into a new one
				room := tc.room
				f.SetWriteAt(func(file *os.File, b []byte, offset int64) (int, error) {
					n, _ := file.WriteAt(b[:min(len(b), room)], offset)
					if room -= n; n == len(b) {
						return n, nil
					}
					return n, &fs.PathError{Op: "write", Path: file.Name(), Err: tc.cause}
				})
				err := f.Append(0, 1, body(0, size))
				if !errors.Is(err, tc.cause) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("err = %v, want %v with the file and what to do", err, tc.cause)
				}
			}
			if got := open(t, crash(t, dir)).drain(t, 0); len(got) != 1 || got[0] != "before" {
				t.Errorf("a crash now leaves %q", got)
			}
			f.SetWriteAt((*os.File).WriteAt)
			f.mustAppend(t, 0, []byte("after"))
			for _, q := range []*fixture{f, open(t, crash(t, dir))} {
				if got := strings.Join(q.drain(t, 0), " "); got != "before after" || q.log.Len() > 0 {
					t.Errorf("records = %q; log: %s", got, &q.log)
				}
			}
		})
	}
}

// An acknowledgement that cannot be written counts in this process, and says so.
func TestAckOnABrokenDisk(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	f.mustAppend(t, 0, []byte("x"))
	r, _ := f.mustNext(t, 0)
	f.SetWriteAt(func(file *os.File, _ []byte, _ int64) (int, error) {
		return 0, &fs.PathError{Op: "write", Path: file.Name(), Err: syscall.EIO}
	})
	if err := f.Ack(r); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), dir) {
		t.Errorf("err = %v, want EIO with the file", err)
	}
	f.Return(r)
	if st := f.Stats(); st.Records != 0 {
		t.Errorf("%+v, want none waiting", st)
	}
	if got := open(t, crash(t, dir)).drain(t, 0); len(got) != 1 {
		t.Errorf("after a crash: %q, want the record again", got)
	}
}

// The same on a real file system that is full.
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

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	mustWrite(t, file, nil)
	for name, dir := range map[string]string{"a file": file, "below a file": filepath.Join(file, "queue")} {
		t.Run(name, func(t *testing.T) {
			if _, err := tryOpen(dir); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("err = %v, want one that names %s", err, file)
			}
		})
	}
}
