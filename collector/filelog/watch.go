package filelog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watcher wakes Tailers when their logs are written or rotated. It uses one inotify instance, and knows one
// Tailer per log: logs that are read twice need two Watchers. The zero value has no inotify: it wakes
// nobody, and Tailers check their logs by the clock.
//
// The directory of a log is watched all the time, for new files. The file itself is watched for one write
// at a time; otherwise a busy log would wake the process for each line.
type Watcher struct {
	file   *os.File        // of inotify, or nil
	conn   syscall.RawConn // of file
	logger *slog.Logger
	add    func(fd int, path string, events uint32) (descriptor int, err error) // unix.InotifyAddWatch
	read   func(fd int, b []byte) (n int, err error)                            // unix.Read

	mu      sync.Mutex
	watches map[int32]*watch // by descriptor; of directories and files
	closed  bool
	short   bool // a lack of watches was logged
	buf     [4 << 10]byte
}

// watch is what is watched for one Tailer. The Watcher's mu guards all fields but the channels.
type watch struct {
	watcher *Watcher
	path    string        // of the log
	wrote   chan struct{} // receives a value at a write after arm
	look    chan struct{} // receives a value when there is another file
	dir     int32         // descriptors; negative if there is none
	armed   int32
}

// NewWatcher returns a Watcher. If the system provides no inotify, it logs that and returns a Watcher
// without inotify.
func NewWatcher(logger *slog.Logger) *Watcher {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		logger.Warn("no inotify: log files are looked at once a second instead of when they are written; raise the sysctl fs.inotify.max_user_instances", "error", os.NewSyscallError("inotify_init1", err))
		return &Watcher{}
	}
	w := &Watcher{file: os.NewFile(uintptr(fd), "inotify"), logger: logger, add: unix.InotifyAddWatch, read: unix.Read, watches: map[int32]*watch{}}
	if w.conn, err = w.file.SyscallConn(); err != nil { // fails only for a closed file
		return &Watcher{}
	}
	return w
}

// between is the shortest time between two reads of inotify's events.
const between = 100 * time.Millisecond

// Run wakes Tailers until ctx ends, closes the Watcher and returns nil. If inotify fails before that, the
// Watcher is closed earlier, and Tailers check their logs by the clock.
func (w *Watcher) Run(ctx context.Context) error {
	if w.file == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer stop()
	var failed error
	err := w.conn.Read(func(uintptr) bool { // return false to wait for more events
		if failed = w.drain(); failed != nil {
			return true
		}
		select { // many slowly written logs wake the process together
		case <-time.After(between):
		case <-ctx.Done():
		}
		return false
	})
	if w.fail(cmp.Or(failed, err)) {
		<-ctx.Done()
	}
	return nil
}

// fail closes a Watcher whose inotify has failed. It returns false if the Watcher was already closed.
func (w *Watcher) fail(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.closed = true
	w.logger.Warn("inotify fails: from now on log files are looked at once a second instead of when they are written; restart the agent to try it again", "error", err)
	for _, h := range w.watches {
		h.dir, h.armed = -1, -1
		wake(h.look)
	}
	clear(w.watches)
	_ = w.file.Close() // nobody else waits for it
	return true
}

// Close stops watching. It is for a Watcher that does not run.
func (w *Watcher) Close() error {
	w.mu.Lock()
	open := w.file != nil && !w.closed
	w.closed = true
	w.mu.Unlock()
	if !open {
		return nil
	}
	return w.file.Close() // waits for drain, which takes the lock
}

// watch starts to watch the log at path. wrote and look have a capacity of one, and receive a value when
// the Tailer must check its log.
func (w *Watcher) watch(path string, wrote, look chan struct{}) *watch {
	h := &watch{watcher: w, path: path, wrote: wrote, look: look, dir: -1, armed: -1}
	w.mu.Lock()
	defer w.mu.Unlock()
	h.dir, _ = w.addLocked(h, filepath.Dir(path), dirEvents) // arm tries again
	return h
}

// dirEvents are the events to watch in the directory of a log.
const dirEvents = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_ONLYDIR

// addLocked makes inotify watch a path for h. If inotify refuses, the descriptor is negative.
func (w *Watcher) addLocked(h *watch, path string, events uint32) (descriptor int32, err error) {
	if w.file == nil || w.closed {
		return -1, os.ErrClosed
	}
	d := -1
	if closed := w.conn.Control(func(fd uintptr) { d, err = w.add(int(fd), path, events) }); closed != nil {
		return -1, closed
	}
	if err == unix.ENOSPC && !w.short {
		w.short = true
		w.logger.Warn("no more inotify watches: some log files are looked at once a second instead of when they are written; raise the sysctl fs.inotify.max_user_watches", "file", path, "error", os.NewSyscallError("inotify_add_watch", err))
	}
	if err != nil {
		return -1, err
	}
	w.watches[int32(d)] = h
	return int32(d), nil
}

// removeLocked stops watching a descriptor, if it belongs to h.
func (w *Watcher) removeLocked(h *watch, d int32) {
	if w.watches[d] != h || w.closed {
		return
	}
	delete(w.watches, d)
	_ = w.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(d)) })
}

// arm makes the next write wake the Tailer. It reports whether everything that happens to the log wakes the
// Tailer from now on, and has done so since the last arm. It tries again to watch what could not be
// watched.
func (h *watch) arm() bool {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	watched := h.dir >= 0
	if !watched {
		h.dir, _ = w.addLocked(h, filepath.Dir(h.path), dirEvents)
	}
	d, err := w.addLocked(h, h.path, unix.IN_MODIFY|unix.IN_ONESHOT)
	if d != h.armed {
		w.removeLocked(h, h.armed) // of a file that was rotated
	}
	h.armed = d
	return watched && (err == nil || err == unix.ENOENT) // the directory reports a new file
}

// close stops watching one log.
func (h *watch) close() {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(h, h.dir)
	w.removeLocked(h, h.armed)
	h.dir, h.armed = -1, -1
}

// drain reads all pending events. It returns an error if inotify fails.
func (w *Watcher) drain() (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil || w.closed {
		return nil
	}
	closed := w.conn.Control(func(fd uintptr) {
		for {
			n, failed := w.read(int(fd), w.buf[:])
			switch {
			case failed == unix.EINTR:
				continue
			case failed == unix.EAGAIN || failed == nil && n <= 0:
				return
			case failed != nil:
				err = os.NewSyscallError("read inotify", failed)
				return
			}
			w.takeLocked(w.buf[:n])
		}
	})
	return cmp.Or(err, closed)
}

// takeLocked processes events, which are laid out as in inotify(7).
func (w *Watcher) takeLocked(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		d := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if end > len(b) {
			return
		}
		name := bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00")
		b = b[end:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			for _, h := range w.watches {
				wake(h.look)
			}
			continue
		}
		h := w.watches[d]
		if h == nil {
			continue // of a watch that has ended in the meantime
		}
		h.takeLocked(d, mask, name)
		if mask&unix.IN_IGNORED != 0 {
			delete(w.watches, d)
		}
	}
}

// takeLocked processes an event of descriptor d.
func (h *watch) takeLocked(d int32, mask uint32, name []byte) {
	switch {
	case mask&unix.IN_MODIFY != 0:
		wake(h.wrote)
	case d != h.dir:
	case mask&(unix.IN_DELETE_SELF|unix.IN_IGNORED) != 0:
		h.dir = -1
		wake(h.look)
	case string(name) == filepath.Base(h.path):
		wake(h.look) // there is a new file
	}
}

// wake puts a value into a channel with a capacity of one, unless it is full.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
