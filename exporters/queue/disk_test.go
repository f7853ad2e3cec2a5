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

// If the disk fails, Append returns a remedy and adds nothing. When it works again so does the queue, and a
// crash in between loses nothing.
func TestDiskThatFails(t *testing.T) {
	for name, tc := range map[string]struct {
		cause error
		room  int // bytes that are written all the same
		want  string
	}{
		"full":                   {syscall.ENOSPC, 0, "Free space"},
		"full within the header": {syscall.ENOSPC, 20, "Free space"},
		"full behind the header": {syscall.ENOSPC, 36, "Free space"},
		"full within the body":   {syscall.ENOSPC, 60, "Free space"},
		"over quota at its end":  {syscall.EDQUOT, 135, "Free space"},
		"read-only":              {syscall.EROFS, 0, "writable for user"},
		"broken":                 {syscall.EIO, 10, "kernel's log"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir)
			f.mustAppend(t, 0, []byte("before"))
			for _, size := range []int{100, 100_000} { // into the segment in one write, and into a new one in two
				room := tc.room
				if size > 100 {
					room *= 700
				}
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

// brokenFrom fails to read from an offset on.
type brokenFrom struct {
	b  []byte
	at int64
}

func (r brokenFrom) ReadAt(p []byte, offset int64) (int, error) {
	n := copy(p, r.b[min(offset, r.at):r.at])
	return n, &fs.PathError{Op: "read", Path: "file", Err: syscall.EIO}
}

// Data that a broken disk cannot read is neither cut off nor taken for damage.
func TestStartOnABrokenDisk(t *testing.T) {
	whole, offsets := segmentOf(t, threeBodies...)
	for at := range len(whole) {
		f := open(t, t.TempDir())
		bad, err := f.Scan(brokenFrom{whole, int64(at)}, int64(len(whole)))
		records := 0
		for records < len(threeBodies) && offsets[records+1] <= at {
			records++
		}
		if got := f.Stats().Records; got != records || bad != 0 || !errors.Is(err, syscall.EIO) {
			t.Errorf("broken from %d on: %d records, %d bytes bad, err = %v; want %d, none, EIO", at, got, bad, err, records)
		}
	}
}

// An acknowledgement that cannot be written holds in this process, and returns an error.
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

// A slow disk does not delay calls that only ask what waits.
func TestStatsDoNotWaitForTheDisk(t *testing.T) {
	f := open(t, t.TempDir())
	f.mustAppend(t, 0, []byte("x"))
	writing, release := make(chan struct{}), make(chan struct{})
	f.SetWriteAt(func(file *os.File, b []byte, offset int64) (int, error) {
		close(writing)
		<-release
		return file.WriteAt(b, offset)
	})
	done := make(chan error)
	go func() { done <- f.Append(0, 1, []byte("y")) }()
	<-writing
	if st := f.Stats(); st.Records != 1 {
		t.Errorf("while the second is written: %+v, want one", st)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.SetWriteAt((*os.File).WriteAt)
	if st := f.Stats(); st.Records != 2 || st.Items != 2 || st.Oldest.IsZero() {
		t.Errorf("afterwards: %+v, want two", st)
	}
}
