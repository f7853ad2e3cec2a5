//go:build !linux

package quietconn

import "net"

// Wrap returns c. Quiet connections exist only on Linux.
func Wrap(c net.Conn) net.Conn { return c }
