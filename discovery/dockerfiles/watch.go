package dockerfiles

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// watch is an inotify that tells when something happens to the folders. Its zero value tells nothing.
type watch struct {
	file   *os.File                 // inotify's
	addOne func(folder string) bool // watches a folder; nil: none can be watched
	events chan struct{}            // gets a value when something has happened; closed when inotify fails
}

// events that are watched in a folder. Log lines are none of them: the Engine keeps the log open.
const events = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_ONLYDIR

// newWatch returns a watch of no folders. Close it.
func newWatch() (watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return watch{}, os.NewSyscallError("inotify_init1", err)
	}
	w := watch{file: os.NewFile(uintptr(fd), "inotify"), events: make(chan struct{}, 1)}
	conn, err := w.file.SyscallConn()
	if err != nil {
		return watch{}, err
	}
	w.addOne = func(folder string) bool {
		var failed error
		err := conn.Control(func(fd uintptr) { _, failed = unix.InotifyAddWatch(int(fd), folder, events) })
		return err == nil && failed == nil
	}
	go w.read()
	return w, nil
}

// read takes events until the watch is closed or inotify fails. Which events they are does not matter.
func (w watch) read() {
	defer close(w.events)
	buf := make([]byte, 4<<10)
	for {
		if _, err := w.file.Read(buf); err != nil {
			return
		}
		select {
		case w.events <- struct{}{}:
		default:
		}
		time.Sleep(between) // the kernel keeps the events of this time; a closed watch ends after it
	}
}

// between is the least time between two reads of events, so that many of them make one look.
const between = 100 * time.Millisecond

// add watches a folder and the folders in it that are named. It may be called for the same folders again
// and again. It returns false if not all of them can be watched.
func (w watch) add(dir string, names []string) bool {
	if w.addOne == nil {
		return false
	}
	all := w.addOne(dir)
	for _, name := range names {
		all = w.addOne(filepath.Join(dir, name)) && all
	}
	return all
}

func (w watch) close() {
	if w.file != nil {
		_ = w.file.Close()
	}
}
