package docker

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

// Quiet is quiet.
func Quiet(c net.Conn) net.Conn { return quiet(c) }

// Reports returns how many of the watches of a connection that Quiet made have something to
// report, as the runtime would be told.
func Reports(c net.Conn) (int, error) {
	q := c.(*quietConn)
	var sets []unix.PollFd
	for _, w := range []*watch{q.in, q.out} {
		if err := w.raw.Control(func(set uintptr) { sets = append(sets, unix.PollFd{Fd: int32(set), Events: unix.POLLIN}) }); err != nil {
			return 0, err
		}
	}
	return unix.Poll(sets, 0)
}

// DialsQuietly reports whether a client's connections are quiet ones.
func (c *Client) DialsQuietly(ctx context.Context) (bool, error) {
	conn, err := c.transport.DialContext(ctx, "", "")
	if err != nil {
		return false, err
	}
	_, ok := conn.(*quietConn)
	return ok, conn.Close()
}
