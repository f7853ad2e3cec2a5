package file

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watcher wakes Tailers when their files are written or rotated. It is one inotify. The zero value has
// none: it wakes nobody, and Tailers look at their files by the clock.
//
// The directory of a file is watched all the time, for files that come and go. The file itself is watched
// for one write at a time, because a busy file would else wake the process for each line.
type Watcher struct {
	file   *os.File        // inotify's, or nil
	conn   syscall.RawConn // file's
	logger *slog.Logger

	mu     sync.Mutex
	nodes  map[int32]*node // by descriptor
	closed bool
	short  bool // it was logged that there are too few watches
	buf    [4 << 10]byte
}

// node is a directory or a file that is watched.
type node struct {
	watches map[string][]*watch // of a directory, by the names in it; of a file, under the empty name
}

// watch has what is watched for one Tailer. The Watcher's mu guards all but the channels.
type watch struct {
	watcher *Watcher
	path    string
	remote  bool          // the file system does not tell of all writes
	wrote   chan struct{} // gets a value at a write after arm
	changed chan struct{} // gets a value when there is another file, or none
	dir     int32         // descriptors; negative: there is none
	armed   int32
}

// NewWatcher returns a Watcher. If the system has no inotify to give, NewWatcher logs that and returns a
// Watcher that has none.
func NewWatcher(logger *slog.Logger) *Watcher {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		logger.Warn("no inotify: files are looked at by the clock instead of when they are written; raise the sysctl fs.inotify.max_user_instances", "error", os.NewSyscallError("inotify_init1", err))
		return &Watcher{}
	}
	w := &Watcher{file: os.NewFile(uintptr(fd), "inotify"), logger: logger, nodes: map[int32]*node{}}
	if w.conn, err = w.file.SyscallConn(); err != nil { // only a closed file has none
		return &Watcher{}
	}
	return w
}

// between is the least time between two reads of inotify's events.
const between = 100 * time.Millisecond

// Run wakes Tailers until ctx ends, which it reports as nil, and closes the Watcher then. If inotify fails
// before that, the Watcher is closed earlier, and Tailers look at their files by the clock.
func (w *Watcher) Run(ctx context.Context) error {
	if w.file == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer stop()
	var failed error
	err := w.conn.Read(func(uintptr) bool { // false: Read waits until there are more events
		if failed = w.drain(); failed != nil {
			return true
		}
		select { // many files that are written a little wake the process together
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

// fail closes a Watcher whose inotify has failed. It returns false if the Watcher was closed already.
func (w *Watcher) fail(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.closed = true
	w.logger.Warn("inotify fails: from now on files are looked at by the clock instead of when they are written; restart the agent to try it again", "error", err)
	w.wakeAllLocked()
	clear(w.nodes)
	_ = w.file.Close() // nobody else waits for it
	return true
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

// watch begins to watch a path. wrote and changed have room for one value each, and get one when the Tailer has
// to look.
func (w *Watcher) watch(path string, wrote, changed chan struct{}) *watch {
	h := &watch{watcher: w, path: path, wrote: wrote, changed: changed, dir: -1, armed: -1}
	w.mu.Lock()
	defer w.mu.Unlock()
	h.watchDirLocked() // arm tries again
	return h
}

// dirEvents are the events that are watched in the directory of a file.
const dirEvents = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_ONLYDIR

func (h *watch) watchDirLocked() {
	dir := filepath.Dir(h.path)
	h.dir, _ = h.watcher.addLocked(h, dir, filepath.Base(h.path), dirEvents)
	h.remote = h.dir >= 0 && isRemote(dir)
}

// tells reports whether inotify is to tell of what happens to the file.
func (h *watch) tells() bool {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	return h.dir >= 0 && !h.remote && !w.closed
}

// isRemote reports whether a directory is on a file system of which others may write the files, without
// inotify telling.
func isRemote(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, 0xff534d42, 0xfe534d42, // CIFS and SMB2
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_FS_MAGIC,
		0x786f4256, 0xbacbacbc: // of VirtualBox and of VMware
		return true
	}
	return false
}

// addLocked has inotify watch a path for h. If inotify refuses, the descriptor is negative.
func (w *Watcher) addLocked(h *watch, path, name string, events uint32) (descriptor int32, err error) {
	if w.file == nil || w.closed {
		return -1, os.ErrClosed
	}
	d := -1
	if closed := w.conn.Control(func(fd uintptr) { d, err = unix.InotifyAddWatch(int(fd), path, events) }); closed != nil {
		return -1, closed
	}
	if err == unix.ENOSPC && !w.short {
		w.short = true
		w.logger.Warn("no more inotify watches: some files are looked at by the clock instead of when they are written; raise the sysctl fs.inotify.max_user_watches", "file", path, "error", os.NewSyscallError("inotify_add_watch", err))
	}
	if err != nil {
		return -1, err
	}
	n := w.nodes[int32(d)]
	if n == nil {
		n = &node{watches: map[string][]*watch{}}
		w.nodes[int32(d)] = n
	}
	if !slices.Contains(n.watches[name], h) {
		n.watches[name] = append(n.watches[name], h)
	}
	return int32(d), nil
}

// removeLocked ends the watching of a descriptor for h.
func (w *Watcher) removeLocked(h *watch, d int32, name string) {
	n := w.nodes[d]
	if n == nil || w.closed {
		return
	}
	rest := slices.DeleteFunc(n.watches[name], func(o *watch) bool { return o == h })
	if len(rest) > 0 {
		n.watches[name] = rest
		return
	}
	delete(n.watches, name)
	if len(n.watches) == 0 {
		delete(w.nodes, d)
		_ = w.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(d)) })
	}
}

// arm has the next write wake the Tailer. It reports whether everything that happens to the file wakes the
// Tailer from now on, and has done so since the last arm. It tries again to watch what could not be watched.
func (h *watch) arm() bool {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	watched := h.dir >= 0
	if !watched {
		h.watchDirLocked()
	}
	d, err := w.addLocked(h, h.path, "", unix.IN_MODIFY|unix.IN_ONESHOT)
	if d != h.armed {
		w.removeLocked(h, h.armed, "") // of a file that was rotated away
	}
	h.armed = d
	return watched && !h.remote && (err == nil || err == unix.ENOENT) // the directory tells of a file that comes
}

// close ends the watching of one path.
func (h *watch) close() {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(h, h.dir, filepath.Base(h.path))
	w.removeLocked(h, h.armed, "")
	h.dir, h.armed = -1, -1
}

// drain takes all events that there are. It returns an error if inotify fails.
func (w *Watcher) drain() (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil || w.closed {
		return nil
	}
	closed := w.conn.Control(func(fd uintptr) {
		for {
			n, failed := unix.Read(int(fd), w.buf[:])
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

// takeLocked takes events, which are laid out as in inotify(7).
func (w *Watcher) takeLocked(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		d := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		length := int(binary.NativeEndian.Uint32(b[12:]))
		if length > len(b)-unix.SizeofInotifyEvent {
			return
		}
		end := unix.SizeofInotifyEvent + length
		name := bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00")
		b = b[end:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			w.wakeAllLocked()
			continue
		}
		n := w.nodes[d]
		if n == nil {
			continue // of a watch that has ended meanwhile
		}
		switch {
		case mask&unix.IN_MODIFY != 0:
			for _, h := range n.watches[""] {
				wake(h.wrote)
			}
		case mask&(unix.IN_DELETE_SELF|unix.IN_IGNORED) != 0:
			for name, watches := range n.watches {
				for _, h := range watches {
					if name != "" {
						h.dir = -1
						wake(h.changed)
					}
				}
			}
		default:
			for _, h := range n.watches[string(name)] {
				wake(h.changed)
			}
		}
		if mask&unix.IN_IGNORED != 0 {
			delete(w.nodes, d)
		}
	}
}

func (w *Watcher) wakeAllLocked() {
	for _, n := range w.nodes {
		for _, watches := range n.watches {
			for _, h := range watches {
				if w.closed {
					h.dir, h.armed = -1, -1
				}
				wake(h.changed)
			}
		}
	}
}

// wake puts a value into a channel that has room for one, unless there is one in it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
