package filelog

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watcher wakes Tailers when their logs are written or rotated, by one inotify for the
// process. The zero value knows none: it wakes nobody, and logs are looked at by the clock.
//
// A log's directory is watched all the time, for new files. The file itself is watched for
// one write: a busy log would else wake the process for each line.
type Watcher struct {
	file   *os.File        // inotify's, or nil
	conn   syscall.RawConn // file's
	logger *slog.Logger
	add    func(fd int, path string, events uint32) (descriptor int, err error) // unix.InotifyAddWatch

	mu      sync.Mutex
	watches map[int32]*watch // by descriptor, of directories and of files
	closed  bool
	short   bool // it was said that there are too few watches
	buf     [4 << 10]byte
}

// watch is what is watched for one Tailer. All but the channels is guarded by the Watcher's mu.
type watch struct {
	watcher *Watcher
	path    string        // of the log
	wrote   chan struct{} // gets a value at a write after arm
	look    chan struct{} // gets a value when there is another file
	dir     int32         // descriptors; negative is none
	armed   int32

	created int // files that came to be under the log's name since the watch began
	missed  int // times that some may have come unnoticed
}

// tally is a watch's count of files at a moment.
type tally struct {
	created, missed int
	watched         bool // what comes from now on is noticed
}

// since returns how many files have come between before and now, and whether that is known.
func (t tally) since(before tally) (created int, known bool) {
	return t.created - before.created, before.watched && t.watched && t.missed == before.missed
}

// NewWatcher returns a Watcher. Where the system has no inotify to give it says so and
// returns one that knows none.
func NewWatcher(logger *slog.Logger) *Watcher {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		logger.Warn("no inotify: log files are looked at once a second instead of when they are written; raise the sysctl fs.inotify.max_user_instances", "error", os.NewSyscallError("inotify_init1", err))
		return &Watcher{}
	}
	w := &Watcher{file: os.NewFile(uintptr(fd), "inotify"), logger: logger, add: unix.InotifyAddWatch, watches: map[int32]*watch{}}
	if w.conn, err = w.file.SyscallConn(); err != nil { // only a closed file has none
		return &Watcher{}
	}
	return w
}

// between is the least time between two looks at what inotify has to say.
const between = 100 * time.Millisecond

// Run wakes Tailers until ctx ends, which it reports as nil. The Watcher is closed then.
func (w *Watcher) Run(ctx context.Context) error {
	if w.file == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer stop()
	err := w.conn.Read(func(uintptr) bool { // false: it waits until there is more
		w.drain()
		select { // many logs that are written a little wake the process together
		case <-time.After(between):
		case <-ctx.Done():
		}
		return false
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	return fmt.Errorf("read inotify: %w", err)
}

// Close ends the watching. It is for a Watcher that does not run.
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

// watch begins to watch the log at path. wrote and look, which have room for one value each,
// get one when the Tailer shall look.
func (w *Watcher) watch(path string, wrote, look chan struct{}) *watch {
	h := &watch{watcher: w, path: path, wrote: wrote, look: look, dir: -1, armed: -1}
	w.mu.Lock()
	defer w.mu.Unlock()
	h.dir, _ = w.addLocked(h, filepath.Dir(path), dirEvents) // arm tries again
	return h
}

// dirEvents are those of a log's directory. Of equal events that follow each other inotify makes
// one; what goes is watched too, so that two files that came are two events.
const dirEvents = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_ONLYDIR

// addLocked has inotify watch a path for h. Where it does not, the descriptor is negative.
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

// removeLocked ends the watching of a descriptor, if it is one of h's.
func (w *Watcher) removeLocked(h *watch, d int32) {
	if w.watches[d] != h || w.closed {
		return
	}
	delete(w.watches, d)
	_ = w.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(d)) })
}

// arm has the next write wake the Tailer, and reports whether all that happens to the log does
// from now on, and did since it was armed last. What could not be watched is tried again.
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
		w.removeLocked(h, h.armed) // of a file that was rotated away
	}
	h.armed = d
	return watched && (err == nil || err == unix.ENOENT) // what comes is the directory's to tell
}

// count returns how many files have come to be under the log's name until now.
func (h *watch) count() tally {
	h.watcher.drain()
	h.watcher.mu.Lock()
	defer h.watcher.mu.Unlock()
	return tally{h.created, h.missed, h.dir >= 0}
}

// close ends the watching of one log.
func (h *watch) close() {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(h, h.dir)
	w.removeLocked(h, h.armed)
	h.dir, h.armed = -1, -1
}

// drain takes all events that there are.
func (w *Watcher) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil || w.closed {
		return
	}
	_ = w.conn.Control(func(fd uintptr) {
		for {
			n, err := unix.Read(int(fd), w.buf[:])
			if err == unix.EINTR {
				continue
			}
			if err != nil || n <= 0 {
				return
			}
			w.takeLocked(w.buf[:n])
		}
	})
}

// takeLocked takes events as inotify(7) lays them out.
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
				h.missed++
				wake(h.look)
			}
			continue
		}
		h := w.watches[d]
		if h == nil {
			continue // of a watch that has ended meanwhile
		}
		h.takeLocked(d, mask, name)
		if mask&unix.IN_IGNORED != 0 {
			delete(w.watches, d)
		}
	}
}

// takeLocked takes an event of descriptor d.
func (h *watch) takeLocked(d int32, mask uint32, name []byte) {
	switch {
	case mask&unix.IN_MODIFY != 0:
		wake(h.wrote)
	case d != h.dir:
	case mask&(unix.IN_DELETE_SELF|unix.IN_IGNORED) != 0:
		h.dir = -1
		h.missed++
		wake(h.look)
	case string(name) != filepath.Base(h.path) || mask&unix.IN_DELETE != 0:
	case mask&unix.IN_CREATE != 0:
		h.created++
		wake(h.look)
	default:
		wake(h.look)
	}
}

// wake puts a value into a channel that has room for one, unless it is there.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
