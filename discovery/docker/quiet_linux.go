package docker

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// quietConn is a connection to a socket of this machine that wakes the process only while
// somebody waits for it.
//
// The Go runtime keeps every socket in an epoll set of its own for as long as that is open: each
// time something arrives it wakes up, whether anybody reads or not. The Engine writes a log line
// by line, and a reader of logs pauses between reads, so most of those times nobody does: with
// ten logs of 200 lines a second two fifths of the agent's CPU time went there.
//
// This socket is not in that set. Reading and writing go to it directly, and only who finds
// nothing waits, by means of a watch: an epoll set that has nothing but this socket, told to
// report once. It is the watch that the runtime waits for, as for any file. So there is no
// goroutine, lock or timer here: waiting, deadlines and being closed meanwhile are those of
// os.File.
type quietConn struct {
	fd            int // not to be used but within a watch's do, which Close waits for
	local, remote net.Addr
	in, out       *watch
}

// quiet returns c as a connection that wakes nobody in vain, in c's place, or c itself where
// that cannot be: that works as well, and costs more.
func quiet(c net.Conn) net.Conn {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return c
	}
	q, err := newQuietConn(u)
	if err != nil {
		return c
	}
	_ = c.Close() // the runtime lets go of the socket, which stays open as q's
	return q
}

func newQuietConn(u *net.UnixConn) (*quietConn, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, err
	}
	q := &quietConn{local: u.LocalAddr(), remote: u.RemoteAddr()}
	var dupErr error
	err = raw.Control(func(fd uintptr) { q.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(err, dupErr); err != nil {
		return nil, err
	}
	if q.in, err = newWatch(q.fd, unix.EPOLLIN|unix.EPOLLRDHUP); err != nil {
		_ = unix.Close(q.fd)
		return nil, err
	}
	if q.out, err = newWatch(q.fd, unix.EPOLLOUT); err != nil {
		_ = q.in.set.Close()
		_ = unix.Close(q.fd)
		return nil, err
	}
	return q, nil
}

// Read implements net.Conn.
func (q *quietConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := q.in.do(func() (int, error) { return unix.Read(q.fd, p) })
	if err != nil {
		return 0, q.failed("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (q *quietConn) Write(p []byte) (written int, err error) {
	for written < len(p) {
		n, err := q.out.do(func() (int, error) { return unix.Write(q.fd, p[written:]) })
		if err != nil {
			return written, q.failed("write", err)
		}
		written += n
	}
	return written, nil
}

// Close implements net.Conn.
func (q *quietConn) Close() error {
	if err := q.in.set.Close(); err != nil { // ends a Read and waits for it; fails but for the first
		return q.failed("close", err)
	}
	_ = q.out.set.Close()
	if err := unix.Close(q.fd); err != nil {
		return q.failed("close", err)
	}
	return nil
}

// LocalAddr implements net.Conn.
func (q *quietConn) LocalAddr() net.Addr { return q.local }

// RemoteAddr implements net.Conn.
func (q *quietConn) RemoteAddr() net.Addr { return q.remote }

// SetDeadline implements net.Conn.
func (q *quietConn) SetDeadline(t time.Time) error {
	if err := q.SetReadDeadline(t); err != nil {
		return err
	}
	return q.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (q *quietConn) SetReadDeadline(t time.Time) error { return q.isSet(q.in.set.SetReadDeadline(t)) }

// SetWriteDeadline implements net.Conn.
func (q *quietConn) SetWriteDeadline(t time.Time) error { return q.isSet(q.out.set.SetReadDeadline(t)) }

// isSet returns an error of setting something as package net words it.
func (q *quietConn) isSet(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "set", Net: q.local.Network(), Addr: q.local, Err: net.ErrClosed} // nothing else goes wrong with a watch
}

// failed returns an error of an operation likewise.
func (q *quietConn) failed(op string, err error) error {
	var number syscall.Errno
	switch {
	case errors.As(err, &number):
		err = os.NewSyscallError(op, number)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		err = net.ErrClosed // all else that a file says of itself
	}
	return &net.OpError{Op: op, Net: q.local.Network(), Source: q.local, Addr: q.remote, Err: err}
}

// watch tells when a socket is ready for one thing, to whoever waits for that.
type watch struct {
	set    *os.File // an epoll set
	raw    syscall.RawConn
	fd     int // of the socket
	events uint32

	armed bool // since it was armed, what it reported has not been taken; owned by do
}

func newWatch(fd int, events uint32) (*watch, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(set, true); err != nil { // a file that the runtime waits for
		_ = unix.Close(set)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &watch{set: os.NewFile(uintptr(set), "epoll"), fd: fd, events: events, armed: true}
	if err := w.begin(); err != nil {
		_ = w.set.Close()
		return nil, err
	}
	return w, nil
}

func (w *watch) begin() (err error) {
	if err := w.set.SetDeadline(time.Time{}); err != nil { // the runtime could not take it
		return err
	}
	if w.raw, err = w.set.SyscallConn(); err != nil {
		return err
	}
	var addErr error
	// Armed for a hang-up alone, which cannot be left out.
	err = w.raw.Control(func(set uintptr) { addErr = w.control(set, unix.EPOLL_CTL_ADD, 0) })
	return errors.Join(err, addErr)
}

func (w *watch) control(set uintptr, op int, events uint32) error {
	err := unix.EpollCtl(int(set), op, w.fd, &unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: int32(w.fd)})
	return os.NewSyscallError("epoll_ctl", err)
}

// do calls f, and again when the socket is ready, until it need not wait. Of several calls of
// do one is at work at a time.
func (w *watch) do(f func() (int, error)) (n int, err error) {
	waitErr := w.raw.Read(func(set uintptr) bool {
		if w.armed {
			w.take(set)
		}
		for {
			n, err = f()
			if err != unix.EINTR {
				break
			}
		}
		if err != unix.EAGAIN {
			return true
		}
		err = w.control(set, unix.EPOLL_CTL_MOD, w.events)
		w.armed = err == nil
		return err != nil
	})
	if waitErr != nil {
		return 0, waitErr
	}
	return n, err
}

// take takes what the watch has reported, by which it is disarmed: until then it reports again
// and again. It comes before the socket is used. The other way round the report may be of what
// has been read already, and the kernel drops that and leaves the watch armed; and a watch with
// a report in it that nobody took tells no news of the next.
func (w *watch) take(set uintptr) {
	var reports [1]unix.EpollEvent
	for {
		if _, err := unix.EpollWait(int(set), reports[:], 0); err != unix.EINTR {
			break
		}
	}
	w.armed = false
}
