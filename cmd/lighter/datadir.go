package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"lighter/collector/position"
)

// dataDir is the agent's part of the disk, held for this process alone.
type dataDir struct {
	lock      *os.File
	positions *position.Store
}

// openData makes the data directory, if it is not there, takes it for this process, and
// opens what is in it.
func openData(dir string, logger *slog.Logger) (*dataDir, error) {
	fail := func(err error, advice string) error {
		return fmt.Errorf("data directory %s (LIGHTER_DATA_DIR): %w. %s", dir, err, advice)
	}
	writable := fmt.Sprintf("Make it writable for user %d, or mount a volume there", os.Getuid())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fail(err, writable)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fail(err, writable)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		advice := "Put it on a file system that has locks"
		if errors.Is(err, syscall.EWOULDBLOCK) {
			advice = "Another agent uses it: give each one a directory of its own"
		}
		return nil, fail(fmt.Errorf("lock it: %w", err), advice)
	}
	positions, err := position.Open(dir, logger)
	if err != nil {
		_ = lock.Close()
		return nil, fail(err, writable)
	}
	return &dataDir{lock, positions}, nil
}

// close writes what is current and lets the directory go.
func (d *dataDir) close() error {
	return errors.Join(d.positions.Close(), d.lock.Close())
}
