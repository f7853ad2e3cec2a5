package quietconn

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a socket that the Go runtime does not poll.
//
// Read and Write call the system directly. Only if the socket is not ready do they wait, using a poller: an
// epoll set that contains only this socket, and that reports once each time it is armed. The runtime waits
// for the epoll set as it waits for any file. Waiting, deadlines and Close are therefore those of os.File,
// and this package needs no goroutine, lock or timer.
type conn struct {
	fd            int // only used by functions that a poller calls, because Close waits for those
	local, remote net.Addr
	in, out       *poller
}

// Wrap returns a quiet connection that replaces c, which must not be used any more. It returns c itself if
// c is not a connection to a Unix socket or if the system refuses: c also works, but costs more.
func Wrap(c net.Conn) net.Conn {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return c
	}
	q, err := newConn(u)
	if err != nil {
		return c
	}
	_ = c.Close() // the runtime stops polling; the socket stays open because q has a duplicate of its descriptor
	return q
}

func newConn(u *net.UnixConn) (*conn, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, err
	}
	q := &conn{local: u.LocalAddr(), remote: u.RemoteAddr()}
	var dupErr error
	err = raw.Control(func(fd uintptr) { q.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(err, dupErr); err != nil {
		return nil, err
	}
	if q.in, err = newPoller(q.fd, unix.EPOLLIN|unix.EPOLLRDHUP); err != nil {
		_ = unix.Close(q.fd)
		return nil, err
	}
	if q.out, err = newPoller(q.fd, unix.EPOLLOUT); err != nil {
		_ = q.in.set.Close()
		_ = unix.Close(q.fd)
		return nil, err
	}
	return q, nil
}

// Read implements net.Conn.
func (q *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := q.in.whenReady(func() (int, error) { return unix.Read(q.fd, p) })
	if err != nil {
		return 0, q.opError("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (q *conn) Write(p []byte) (written int, err error) {
	for written < len(p) {
		n, err := q.out.whenReady(func() (int, error) { return unix.Write(q.fd, p[written:]) })
		if err != nil {
			return written, q.opError("write", err)
		}
		written += n
	}
	return written, nil
}

// Close implements net.Conn.
func (q *conn) Close() error {
	if err := q.in.set.Close(); err != nil { // makes a Read return and waits for it; only the first Close succeeds
		return q.opError("close", err)
	}
	_ = q.out.set.Close()
	if err := unix.Close(q.fd); err != nil {
		return q.opError("close", err)
	}
	return nil
}

// LocalAddr implements net.Conn.
func (q *conn) LocalAddr() net.Addr { return q.local }

// RemoteAddr implements net.Conn.
func (q *conn) RemoteAddr() net.Addr { return q.remote }

// SetDeadline implements net.Conn.
func (q *conn) SetDeadline(t time.Time) error {
	if err := q.SetReadDeadline(t); err != nil {
		return err
	}
	return q.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (q *conn) SetReadDeadline(t time.Time) error { return q.setError(q.in.set.SetReadDeadline(t)) }

// SetWriteDeadline implements net.Conn.
func (q *conn) SetWriteDeadline(t time.Time) error { return q.setError(q.out.set.SetReadDeadline(t)) }

// setError returns the error that package net would return if setting a deadline failed with err.
func (q *conn) setError(err error) error {
	if err == nil {
		return nil
	}
	// The deadline of an epoll set can only be refused because the set is closed.
	return &net.OpError{Op: "set", Net: q.local.Network(), Addr: q.local, Err: net.ErrClosed}
}

// opError returns the error that package net would return if op failed with err.
func (q *conn) opError(op string, err error) error {
	var number syscall.Errno
	switch {
	case errors.As(err, &number):
		err = os.NewSyscallError(op, number)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		err = net.ErrClosed // an os.File has no other error of its own
	}
	return &net.OpError{Op: op, Net: q.local.Network(), Source: q.local, Addr: q.remote, Err: err}
}

// poller waits until a socket is ready for one kind of operation: reading or writing.
type poller struct {
	set    *os.File // an epoll set
	raw    syscall.RawConn
	fd     int // of the socket
	events uint32

	// armed reports whether the set may hold a report that nobody has received. Only whenReady uses it.
	armed bool
}

func newPoller(fd int, events uint32) (*poller, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(set, true); err != nil { // os.NewFile only polls a file that does not block
		_ = unix.Close(set)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{set: os.NewFile(uintptr(set), "epoll"), fd: fd, events: events, armed: true}
	if err := p.add(); err != nil {
		_ = p.set.Close()
		return nil, err
	}
	return p, nil
}

// add puts the socket into the set.
func (p *poller) add() (err error) {
	if err := p.set.SetDeadline(time.Time{}); err != nil { // fails if the runtime cannot poll the set
		return err
	}
	if p.raw, err = p.set.SyscallConn(); err != nil {
		return err
	}
	var addErr error
	// No event is requested yet, but epoll reports a hang-up nevertheless.
	err = p.raw.Control(func(set uintptr) { addErr = p.control(set, unix.EPOLL_CTL_ADD, 0) })
	return errors.Join(err, addErr)
}

func (p *poller) control(set uintptr, op int, events uint32) error {
	err := unix.EpollCtl(int(set), op, p.fd, &unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: int32(p.fd)})
	return os.NewSyscallError("epoll_ctl", err)
}

// whenReady calls f until f returns an error other than EAGAIN, and waits for the socket before each
// further call. Only one of several concurrent calls of whenReady proceeds at a time.
func (p *poller) whenReady(f func() (int, error)) (n int, err error) {
	waitErr := p.raw.Read(func(set uintptr) bool {
		if p.armed {
			p.disarm(set)
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
		err = p.control(set, unix.EPOLL_CTL_MOD, p.events)
		p.armed = err == nil
		return err != nil
	})
	if waitErr != nil {
		return 0, waitErr
	}
	return n, err
}

// disarm receives the report of the set, if there is one. That disarms a set that was armed to report once;
// until then, the set reports the same again and again.
//
// The report must be received before the socket is used. In the other order it may be about data that has
// been read since. The kernel then drops the report and leaves the set armed, so that the next data wakes
// the process. A set with a report that nobody has received, on the other hand, does not report the next
// data to the runtime at all.
func (p *poller) disarm(set uintptr) {
	var reports [1]unix.EpollEvent
	for {
		if _, err := unix.EpollWait(int(set), reports[:], 0); err != unix.EINTR {
			break
		}
	}
	p.armed = false
}
