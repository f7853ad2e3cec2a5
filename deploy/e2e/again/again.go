// Package again listens on an address that was in use a moment ago.
package again

import (
	"net"
	"time"
)

// Listen listens on a TCP address. It retries for a while, because a port that was just closed may not be
// free at once.
func Listen(addr string) (net.Listener, error) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		l, err := net.Listen("tcp", addr)
		if err == nil || time.Now().After(deadline) {
			return l, err
		}
	}
}
