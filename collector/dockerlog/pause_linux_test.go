package dockerlog

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket holds at least what pauses assumes.
func TestRoomOfSocket(t *testing.T) {
	for size := 40; size < 64<<10; size += 1 + size/20 {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		holds, err := fill(ends[0], make([]byte, size))
		if !errors.Is(err, unix.EAGAIN) {
			t.Errorf("a write: %v, want %v", err, unix.EAGAIN)
		}
		_, _ = unix.Close(ends[0]), unix.Close(ends[1])
		if taken := holds * (messageRoom + byteRoom*size); taken < room {
			t.Errorf("a socket is full after %d writes of %d bytes; they count as %d, want at least %d", holds, size, taken, room)
		}
	}
}

// fill writes b until that blocks, and returns the number of writes, complete or begun: the Engine's next
// write waits.
func fill(fd int, b []byte) (writes int, err error) {
	for {
		if _, err := unix.Write(fd, b); err != nil {
			return writes, err
		}
		writes++
	}
}
