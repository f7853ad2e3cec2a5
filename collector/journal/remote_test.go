package journal_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/collector/journal"
)

// remote is systemd's own writer of journal files.
const remote = "/lib/systemd/systemd-journal-remote"

// A file is followed while systemd writes it.
func TestFollowSystemd(t *testing.T) {
	if _, err := os.Stat(remote); err != nil {
		t.Skip("no systemd-journal-remote:", err)
	}
	for _, compact := range []string{"0", "1"} {
		dir := t.TempDir()
		cmd := exec.Command(remote, "-o", filepath.Join(dir, "remote-a.journal"), "-")
		cmd.Env = append(os.Environ(), "SYSTEMD_JOURNAL_COMPACT="+compact)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := &sink{}
		stop := runFast(t, journal.New(options(dir, s)))
		var want []string
		for i := range 400 {
			text := fmt.Sprintf("line %d %s", i, strings.Repeat("long ", i%7*100)) // some are compressed
			want = append(want, text)
			_, err := fmt.Fprintf(in, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=3aeed50c05cd4aa9979ffde56d3a56a8\n_PID=%d\nMESSAGE=%s\n\n", 1767225600000000+i, i, i%5, text)
			if err != nil {
				t.Fatal(err)
			}
			if i%20 == 0 {
				s.wait(len(want))
			}
		}
		if diff := cmp.Diff(want, s.wait(len(want))); diff != "" {
			t.Error(diff)
		}
		stop()
		_ = in.(io.Closer).Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
