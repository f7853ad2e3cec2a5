// Package inotify reports changes of files and directories, as the kernel's inotify does.
//
// An Instance is an instance of the kernel: its owner says what to watch, and waits for that. A Watcher wakes the
// readers of any number of files when these are written or rotated. The readers decide what to read then. They
// also check their files by the clock where inotify is not available, fails or reports nothing.
package inotify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Instance is an inotify instance. Only one goroutine at a time may wait for events. The other methods may be called
// at any time.
type Instance struct {
	file *os.File
	conn syscall.RawConn                                                      // of file
	add  func(fd int, path string, events uint32) (descriptor int, err error) // unix.InotifyAddWatch
	read func(fd int, b []byte) (n int, err error)                            // unix.Read
	buf  [4 << 10]byte
}

// Open returns an Instance that watches nothing yet. The caller must close it.
func Open() (*Instance, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	i := &Instance{file: os.NewFile(uintptr(fd), "inotify"), add: unix.InotifyAddWatch, read: unix.Read}
	if i.conn, err = i.file.SyscallConn(); err != nil {
		_ = i.file.Close()
		return nil, err
	}
	return i, nil
}

// Close stops watching, and ends a Wait.
func (i *Instance) Close() error { return i.file.Close() }

// Add starts to watch a path for the given events and returns its descriptor, which is negative if there is an
// error. A path that is already watched keeps its descriptor.
func (i *Instance) Add(path string, events uint32) (descriptor int32, err error) {
	d := -1
	if closed := i.conn.Control(func(fd uintptr) { d, err = i.add(int(fd), path, events) }); closed != nil {
		return -1, closed
	}
	return int32(d), os.NewSyscallError("inotify_add_watch", err)
}

// Remove stops watching a descriptor.
func (i *Instance) Remove(d int32) {
	_ = i.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(d)) })
}

// Wait waits until something happens, but no longer than d and no longer than ctx. told reports whether something
// has happened, but not what.
func (i *Instance) Wait(ctx context.Context, d time.Duration) (told bool, err error) {
	if err := i.file.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = i.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err = i.file.Read(i.buf[:]); errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

// event is an event as described in inotify(7).
type event struct {
	descriptor int32 // negative if events were lost
	mask       uint32
	name       []byte // of a file in a watched directory; valid until take returns
}

// drain passes all pending events to take. It returns an error if inotify fails.
func (i *Instance) drain(take func(event)) (err error) {
	closed := i.conn.Control(func(fd uintptr) {
		for {
			n, failed := i.read(int(fd), i.buf[:])
			switch {
			case failed == unix.EINTR:
				continue
			case failed == unix.EAGAIN || failed == nil && n <= 0:
				return
			case failed != nil:
				err = os.NewSyscallError("read inotify", failed)
				return
			}
			parse(i.buf[:n], take)
		}
	})
	return cmp.Or(err, closed)
}

// parse passes the events in b to take.
func parse(b []byte, take func(event)) {
	for len(b) >= unix.SizeofInotifyEvent {
		e := event{descriptor: int32(binary.NativeEndian.Uint32(b)), mask: binary.NativeEndian.Uint32(b[4:])}
		length := int(binary.NativeEndian.Uint32(b[12:]))
		if length > len(b)-unix.SizeofInotifyEvent {
			return
		}
		end := unix.SizeofInotifyEvent + length
		e.name = bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00")
		b = b[end:]
		take(e)
	}
}
