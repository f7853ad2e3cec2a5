package journal_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/journal"
)

const journaldPath = "/lib/systemd/systemd-journald"

// journald is systemd's, with directories of its own in place of /run and /var/log.
type journald struct {
	t        *testing.T
	run, log string
	cmd      *exec.Cmd
	socket   net.Conn
	want     []string
}

// startJournald starts a journald that writes to /run. It needs root, and a kernel that lets it mount.
func startJournald(t *testing.T) *journald {
	if _, err := os.Stat(journaldPath); err != nil {
		t.Skip("no systemd-journald:", err)
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("no mount namespace: %v: %s", err, out)
	}
	base := t.TempDir()
	d := &journald{t: t, run: filepath.Join(base, "run"), log: filepath.Join(base, "log")}
	for _, dir := range []string{filepath.Join(d.run, "systemd/journal"), filepath.Join(d.log, "journal")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(base, "ready"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ready.Close() }()
	d.cmd = exec.Command("unshare", "--mount", "sh", "-c", `mount --bind "$1" /run && mount --bind "$2" /var/log && exec "$3"`, "sh", d.run, d.log, journaldPath)
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(base, "ready"))
	var out bytes.Buffer
	d.cmd.Stderr = &out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = d.cmd.Wait()
		_ = ready.Close()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-ended
	})
	for b := make([]byte, 4096); ; {
		n, err := ready.Read(b)
		if err != nil {
			<-ended
			t.Skipf("systemd-journald does not start here: %s", out.Bytes())
		}
		if bytes.Contains(b[:n], []byte("READY=1")) {
			break
		}
	}
	if d.socket, err = net.Dial("unixgram", filepath.Join(d.run, "systemd/journal/socket")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.socket.Close() })
	return d
}

// write has journald write n entries.
func (d *journald) write(n int) {
	d.t.Helper()
	for range n {
		text := fmt.Sprintf("line %d", len(d.want))
		d.want = append(d.want, text)
		if _, err := d.socket.Write([]byte("MESSAGE=" + text + "\nTEST=1\n")); err != nil {
			d.t.Fatal(err)
		}
	}
	d.ctl("--sync") // they are written now
}

// ctl asks journald for something, and waits until it is done.
func (d *journald) ctl(what string) {
	d.t.Helper()
	out, err := exec.Command("nsenter", "--mount", "--target", fmt.Sprint(d.cmd.Process.Pid), "journalctl", what).CombinedOutput()
	if err != nil {
		d.t.Fatalf("journalctl %s: %v: %s", what, err, out)
	}
}

// Whatever systemd's journald does between /run and the disk, each line is handed on once.
func TestFlushOfJournald(t *testing.T) {
	d := startJournald(t)
	s := &sink{}
	o := options("", s)
	var err error
	if o.Matches, err = journal.ParseMatches("TEST=1"); err != nil {
		t.Fatal(err)
	}
	start := func() (stop func()) {
		tailer := journal.New(o)
		tailer.SetRoots(filepath.Join(d.log, "journal"), filepath.Join(d.run, "log/journal"), "")
		return runFast(t, tailer)
	}
	check := func(when string) {
		t.Helper()
		if diff := cmp.Diff(d.want, s.wait(len(d.want))); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", when, diff)
		}
	}
	stop := start()
	d.write(20)
	check("in /run")
	d.ctl("--rotate")
	d.write(20)
	check("after a rotation")
	d.write(20)
	d.ctl("--flush")
	d.write(20)
	check("flushed while the Tailer runs")
	d.ctl("--relinquish-var")
	d.write(20)
	check("in /run again")
	d.ctl("--rotate")
	stop()
	d.write(20)
	d.ctl("--flush")
	d.write(20)
	stop = start()
	check("flushed while the Tailer is stopped")
	d.ctl("--rotate")
	d.write(20)
	check("after a rotation on the disk")
	stop()
	start()
	d.write(1)
	check("after a restart")
}
