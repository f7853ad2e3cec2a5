package quietconn_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// trickleTo is the environment variable with the socket for a process that only writes lines to it.
const trickleTo = "QUIETCONN_TRICKLE_TO"

const (
	lineBytes      = 200
	linesPerSecond = 200
	readPause      = 200 * time.Millisecond
)

func TestMain(m *testing.M) {
	if path := os.Getenv(trickleTo); path != "" {
		trickle(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// trickle writes lines to a socket, one at a time, until nobody listens any more.
func trickle(path string) {
	c, err := net.Dial("unix", path)
	if err != nil {
		os.Exit(1)
	}
	line := bytes.Repeat([]byte("x"), lineBytes)
	for range time.Tick(time.Second / linesPerSecond) {
		if _, err := c.Write(line); err != nil {
			return
		}
	}
}

// BenchmarkTrickle reads the lines of a process that writes 200 of them a second, one at a time, and pauses
// for 200 ms between two reads, like the reader of a container's log. It reports the CPU time of this
// process per line.
func BenchmarkTrickle(b *testing.B) {
	for _, kind := range []string{"net", "quiet"} {
		b.Run(kind, func(b *testing.B) {
			c := kinds[kind](fromTrickle(b))
			defer c.Close()
			buf := make([]byte, 64<<10)
			before := cpuTime(b)
			for read := 0; read < b.N*lineBytes; {
				n, err := c.Read(buf)
				if err != nil {
					b.Fatal(err)
				}
				read += n
				time.Sleep(readPause)
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/line")
		})
	}
}

// fromTrickle starts a process that trickles and returns the connection to it.
func fromTrickle(b *testing.B) net.Conn {
	b.Helper()
	path := filepath.Join(b.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), trickleTo+"="+path)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Wait() }) // it ends when the connection is closed
	c, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// cpuTime returns the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
