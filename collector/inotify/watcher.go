package inotify

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Watcher wakes the readers of files when these are written or rotated. It uses one Instance. The zero value has
// none: it wakes nobody, and readers check their files by the clock.
//
// The directory of a file is watched all the time, for files that come and go. The file itself is watched for one
// write at a time; otherwise a busy file would wake the process for each line.
type Watcher struct {
	instance *Instance // or nil
	logger   *slog.Logger

	mu      sync.Mutex
	watches map[int32]map[string][]*Watch // by descriptor, then by the name in a directory; the name of a watched file itself is empty
	closed  bool
	short   bool // a lack of watches was logged
}

// Watch is what is watched for one reader. The Watcher's mu guards all fields but the channels.
type Watch struct {
	watcher *Watcher
	path    string
	remote  bool // the file system does not report all writes
	wrote   chan struct{}
	came    chan struct{}
	gone    chan struct{}
	dir     int32 // descriptors; negative if there is none
	armed   int32
}

// NewWatcher returns a Watcher. If the system provides no inotify, it logs that and returns a Watcher without
// inotify.
func NewWatcher(logger *slog.Logger) *Watcher {
	instance, err := Open()
	if err != nil {
		logger.Warn("inotify is not available: files are checked by the clock instead of when they are written; raise the sysctl fs.inotify.max_user_instances", "error", err)
		return &Watcher{}
	}
	return &Watcher{instance: instance, logger: logger, watches: map[int32]map[string][]*Watch{}}
}

// between is the shortest time between two reads of inotify's events.
const between = 100 * time.Millisecond

// Run wakes readers until ctx ends, closes the Watcher and returns nil. If inotify fails before that, the Watcher
// is closed earlier, and readers check their files by the clock.
func (w *Watcher) Run(ctx context.Context) error {
	if w.instance == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer stop()
	var failed error
	err := w.instance.conn.Read(func(uintptr) bool { // return false to wait for more events
		if failed = w.drain(); failed != nil {
			return true
		}
		select { // many slowly written files wake the process together
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
	w.logger.Warn("inotify fails: from now on files are checked by the clock instead of when they are written; restart the agent to try it again", "error", err)
	w.wakeAllLocked()
	clear(w.watches)
	_ = w.instance.Close() // nobody else waits for it
	return true
}

// Close stops watching. It is for a Watcher that does not run.
func (w *Watcher) Close() error {
	w.mu.Lock()
	open := w.instance != nil && !w.closed
	w.closed = true
	w.mu.Unlock()
	if !open {
		return nil
	}
	return w.instance.Close() // waits for drain, which takes the lock
}

// Watch starts to watch a path. Its reader must check the path when a channel receives a value: wrote when the file
// is written after Arm, came when there may be another file, gone when the file is no longer there. The channels have
// a capacity of one. A nil channel receives nothing, and one channel may be given twice.
func (w *Watcher) Watch(path string, wrote, came, gone chan struct{}) *Watch {
	h := &Watch{watcher: w, path: path, wrote: wrote, came: came, gone: gone, dir: -1, armed: -1}
	w.mu.Lock()
	defer w.mu.Unlock()
	h.watchDirLocked() // Arm tries again
	return h
}

// dirEvents are the events to watch in the directory of a file.
const dirEvents = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_ONLYDIR

func (h *Watch) watchDirLocked() {
	dir := filepath.Dir(h.path)
	h.dir, _ = h.watcher.addLocked(h, dir, filepath.Base(h.path), dirEvents)
	h.remote = h.dir >= 0 && isRemote(dir)
}

// Tells reports whether inotify can be expected to report everything that happens to the file.
func (h *Watch) Tells() bool {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	return h.dir >= 0 && !h.remote && !w.closed
}

// isRemote reports whether a directory is on a file system where others may write the files without inotify
// reporting it.
func isRemote(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, 0xff534d42, 0xfe534d42, // CIFS and SMB2
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_FS_MAGIC,
		0x786f4256, 0xbacbacbc: // VirtualBox and VMware
		return true
	}
	return false
}

// addLocked makes inotify watch a path for h. If inotify refuses, the descriptor is negative.
func (w *Watcher) addLocked(h *Watch, path, name string, events uint32) (descriptor int32, err error) {
	if w.instance == nil || w.closed {
		return -1, os.ErrClosed
	}
	d, err := w.instance.Add(path, events)
	if errors.Is(err, unix.ENOSPC) && !w.short {
		w.short = true
		w.logger.Warn("there are no more inotify watches: some files are checked by the clock instead of when they are written; raise the sysctl fs.inotify.max_user_watches", "file", path, "error", err)
	}
	if err != nil {
		return -1, err
	}
	names := w.watches[d]
	if names == nil {
		names = map[string][]*Watch{}
		w.watches[d] = names
	}
	if !slices.Contains(names[name], h) {
		names[name] = append(names[name], h)
	}
	return d, nil
}

// removeLocked stops watching a descriptor for h.
func (w *Watcher) removeLocked(h *Watch, d int32, name string) {
	names := w.watches[d]
	if names == nil || w.closed {
		return
	}
	rest := slices.DeleteFunc(names[name], func(o *Watch) bool { return o == h })
	if len(rest) > 0 {
		names[name] = rest
		return
	}
	delete(names, name)
	if len(names) == 0 {
		delete(w.watches, d)
		w.instance.Remove(d)
	}
}

// Arm makes the next write wake the reader. It reports whether everything that happens to the file wakes the reader
// from now on, and has done so since the last Arm, provided that only processes of this host write the file (see
// Tells). It tries again to watch what could not be watched.
func (h *Watch) Arm() bool {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	watched := h.dir >= 0
	if !watched {
		h.watchDirLocked()
	}
	d, err := w.addLocked(h, h.path, "", unix.IN_MODIFY|unix.IN_ONESHOT)
	if d != h.armed {
		w.removeLocked(h, h.armed, "") // of a file that was rotated
	}
	h.armed = d
	return watched && (err == nil || errors.Is(err, unix.ENOENT)) // the directory reports a new file
}

// Close stops watching one path.
func (h *Watch) Close() {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(h, h.dir, filepath.Base(h.path))
	w.removeLocked(h, h.armed, "")
	h.dir, h.armed = -1, -1
}

// drain reads all pending events. It returns an error if inotify fails.
func (w *Watcher) drain() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.instance == nil || w.closed {
		return nil
	}
	return w.instance.drain(w.takeLocked)
}

// takeLocked processes an event.
func (w *Watcher) takeLocked(e event) {
	if e.mask&unix.IN_Q_OVERFLOW != 0 {
		w.wakeAllLocked()
		return
	}
	names := w.watches[e.descriptor] // none if the watch has ended in the meantime
	switch {
	case e.mask&unix.IN_MODIFY != 0:
		for _, h := range names[""] {
			wake(h.wrote)
		}
	case e.mask&(unix.IN_DELETE_SELF|unix.IN_IGNORED) != 0:
		for name, watches := range names {
			for _, h := range watches {
				if name != "" {
					h.dir = -1
					wake(h.came)
				}
			}
		}
	case e.mask&(unix.IN_MOVED_FROM|unix.IN_DELETE) != 0:
		for _, h := range names[string(e.name)] {
			wake(h.gone)
		}
	default:
		for _, h := range names[string(e.name)] {
			wake(h.came)
		}
	}
	if e.mask&unix.IN_IGNORED != 0 {
		delete(w.watches, e.descriptor)
	}
}

func (w *Watcher) wakeAllLocked() {
	for _, names := range w.watches {
		for _, watches := range names {
			for _, h := range watches {
				if w.closed {
					h.dir, h.armed = -1, -1
				}
				wake(h.came)
			}
		}
	}
}

// wake puts a value into a channel with a capacity of one, unless it is full.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
