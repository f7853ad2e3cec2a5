// Package again listens at an address that was listened at a moment ago.
package again

import (
	"net"
	"time"
)

// Listen listens at a TCP address. It tries for a while: a port that was just left may not be
// free at once.
func Listen(addr string) (net.Listener, error) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		l, err := net.Listen("tcp", addr)
		if err == nil || time.Now().After(deadline) {
			return l, err
		}
	}
}
