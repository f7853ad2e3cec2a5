package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopTimeout is how long a process may take to end cleanly. Prometheus flushes for a minute.
const stopTimeout = 90 * time.Second

// process is a running program.
type process struct {
	name    string
	began   time.Time
	cmd     *exec.Cmd
	stdin   io.WriteCloser // nil unless the process is a role, which ends when stdin is closed
	said    *tail
	ended   chan struct{} // closed when the process has ended
	outcome error         // the result; valid after ended is closed
	stop    func() error  // stops the process, cleanly if possible, waits, and returns its result; may be called again
}

// start runs a program with only the given environment.
func start(name string, env []string, binary string, args ...string) (*process, error) {
	cmd := exec.Command(binary, args...)
	p := &process{name: name, cmd: cmd, said: &tail{}, ended: make(chan struct{})}
	cmd.Env, cmd.Stdout, cmd.Stderr = env, p.said, p.said
	return p, p.begin()
}

// startRole runs this binary in another role and decodes the first JSON value that it prints.
func startRole(first any, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	p := &process{name: args[0], cmd: cmd, said: &tail{}, ended: make(chan struct{})}
	cmd.Stderr = p.said
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd.Stdout = w
	err = p.begin()
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(bufio.NewReader(r)).Decode(first); err != nil {
		return nil, errors.Join(fmt.Errorf("%s printed no JSON: %w: %s", p.name, err, p.said), p.stop())
	}
	return p, nil
}

func (p *process) begin() error {
	p.began = time.Now()
	// Ctrl+C does not reach the process directly: stop ends it when it is no longer needed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.stop = sync.OnceValue(p.end)
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		p.outcome = p.cmd.Wait()
		close(p.ended)
	}()
	return nil
}

// errEnded means that a program has ended by itself.
var errEnded = errors.New("has ended")

// alive returns errEnded with the known reason if the process has ended.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s %w, %s: %s", p.name, errEnded, p.cmd.ProcessState, p.said)
	default:
		return nil
	}
}

func (p *process) end() error {
	if p.stdin != nil {
		_ = p.stdin.Close() // it may have ended
	} else {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // likewise
	}
	select {
	case <-p.ended:
		return p.outcome
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not stop within %s", p.name, stopTimeout)
	}
}

// cpu is the CPU time that the process has used, user and system.
func (p *process) cpu() (time.Duration, error) { return cpuOf(p.cmd.Process.Pid) }

// cpuOf reads a process's CPU clock, which counts nanoseconds and includes threads that have ended.
// The number of the clock is the kernel's ABI (clock_getcpuclockid(3)).
func cpuOf(pid int) (time.Duration, error) {
	const scheduler = 2 // the sum of all threads' running times
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduler, &ts); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// peak returns the peak resident memory in bytes.
func (p *process) peak() (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no VmHWM", path)
}

// tail keeps the end of a program's output.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-tailBytes):]
	return len(p), nil
}

// String returns the last line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.TrimSpace(string(t.b))
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
