package filelog

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// Wrote is a write event of inotify.
func (t *Tailer) Wrote() { wake(t.wrote) }

// DisregardClock makes t check its log only when it is woken, if inotify works. Call it before Run.
func (t *Tailer) DisregardClock() { t.poll = time.Hour }

// Overflow is inotify's event for lost events.
func (w *Watcher) Overflow() {
	event := binary.NativeEndian.AppendUint32(nil, ^uint32(0))
	event = binary.NativeEndian.AppendUint32(event, unix.IN_Q_OVERFLOW)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.takeLocked(append(event, make([]byte, 8)...))
}

// Refuse makes inotify refuse to watch the given paths, as if there were no more watches.
func (w *Watcher) Refuse(refused func(path string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add = func(fd int, path string, events uint32) (int, error) {
		if refused(path) {
			return -1, unix.ENOSPC
		}
		return unix.InotifyAddWatch(fd, path, events)
	}
}

// Break makes reading fail from now on.
func (w *Watcher) Break() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = func(int, []byte) (int, error) { return -1, unix.EIO }
}
