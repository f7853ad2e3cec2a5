package dockerfiles

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// watch reports changes of the folders by inotify. Its zero value reports nothing.
type watch struct {
	file   *os.File                 // inotify's
	addOne func(folder string) bool // watches a folder; if nil, no folder can be watched
	events chan struct{}            // receives a value after an event; closed when inotify fails
}

// events are the events that are watched in a folder. Log lines cause none of them: the Engine keeps the log open.
const events = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_ONLYDIR

// newWatch returns a watch without folders. The caller must close it.
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

// read reads events until the watch is closed or inotify fails. The kind of event does not matter.
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

// between is the minimum time between two reads of events, so that many events cause one check.
const between = 100 * time.Millisecond

// add watches a folder and the named folders in it. It may be called repeatedly for the same folders. It returns
// false if not all of them can be watched.
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
