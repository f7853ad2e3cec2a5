package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// startTime is how long starting takes at most: by then containers are found, logs opened and
// targets scraped.
const startTime = 5 * time.Second

// unmapStart gives back the pages of the binary that are mapped so far. Starting runs through
// most of it: first what packages initialise and what puts the agent together, then the first
// connections. Called between the two, it keeps the peak at the larger of them; and what runs
// once both are over is a small part. A page that is needed again is mapped again, from the
// kernel's cache of the file, which costs the start a few milliseconds.
func unmapStart(logger *slog.Logger) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		logger.Debug("the pages of the start stay mapped", "because", err)
		return
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		logger.Debug("the pages of the start stay mapped", "because", err)
		return
	}
	for _, m := range fileOnly(string(maps), exe) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED) // without it they stay
	}
}

// mapping is a range of the process's addresses.
type mapping struct{ start, end uintptr }

// fileOnly finds, in the text of /proc/PID/smaps, the mappings that show a file as it is: they
// are not writable and have no page that differs from it, as relocations make some.
func fileOnly(smaps, file string) []mapping {
	var found []mapping
	var at mapping
	ours := false
	for line := range strings.Lines(smaps) {
		f := strings.Fields(line)
		if len(f) >= 6 { // address mode offset device inode path
			_, err := fmt.Sscanf(f[0], "%x-%x", &at.start, &at.end)
			ours = err == nil && f[1][0] == 'r' && f[1][1] == '-' && f[5] == file
		}
		if ours && len(f) == 3 && f[0] == "Anonymous:" && f[1] == "0" {
			found = append(found, at)
		}
	}
	return found
}
