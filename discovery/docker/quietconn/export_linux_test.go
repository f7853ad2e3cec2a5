package quietconn

import (
	"net"

	"golang.org/x/sys/unix"
)

// Reports returns the number of pollers of a connection from Wrap that have something to report to the
// runtime.
func Reports(c net.Conn) (int, error) {
	q := c.(*conn)
	var sets []unix.PollFd
	for _, p := range []*poller{q.in, q.out} {
		if err := p.raw.Control(func(set uintptr) { sets = append(sets, unix.PollFd{Fd: int32(set), Events: unix.POLLIN}) }); err != nil {
			return 0, err
		}
	}
	return unix.Poll(sets, 0)
}
