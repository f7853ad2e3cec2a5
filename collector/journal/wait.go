package journal

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watcher reports when something is written in directories, by inotify.
type watcher struct {
	file *os.File
	conn syscall.RawConn
	buf  [4 << 10]byte

	watched map[int]bool // descriptors of directories
}

func newWatcher() (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "inotify")}
	if w.conn, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, err
	}
	return w, nil
}

func (w *watcher) close() { _ = w.file.Close() }

// watch watches these directories from now on. fresh reports whether one of them was not watched before. inotify
// does not notice writes to mapped memory, so journald truncates a file to its current size after each write.
func (w *watcher) watch(dirs []dir) (fresh bool, err error) {
	before := w.watched
	w.watched = make(map[int]bool, len(dirs))
	for _, dir := range dirs {
		var d int
		closed := w.conn.Control(func(fd uintptr) {
			d, err = unix.InotifyAddWatch(int(fd), dir.path, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR)
		})
		if closed != nil {
			return false, closed
		}
		if err == unix.ENOENT {
			continue
		}
		if err != nil {
			return false, os.NewSyscallError("inotify_add_watch", err)
		}
		w.watched[d] = true // a directory that is watched already keeps its number
		fresh = fresh || !before[d]
	}
	return fresh, nil
}

// wait waits until something is written, but no longer than d and no longer than ctx. told reports whether
// something was written.
func (w *watcher) wait(ctx context.Context, d time.Duration) (told bool, err error) {
	if err := w.file.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err = w.file.Read(w.buf[:]); errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}
