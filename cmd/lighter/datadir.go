package main

import (
	"errors"
	"fmt"
	"io/fs"
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

// The directories of buffers, one below them for each endpoint, by its name.
const (
	logBuffers    = "logs"
	metricBuffers = "metrics"
)

// warnOfOrphans says which buffers hold data for an endpoint that is not wanted any more:
// nobody sends it.
func warnOfOrphans(dir string, wanted map[string]bool, logger *slog.Logger) {
	all, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil { // of a directory whose name is a pattern
		return
	}
	for _, buffer := range all {
		kind := filepath.Base(filepath.Dir(buffer))
		if kind != logBuffers && kind != metricBuffers || wanted[buffer] {
			continue
		}
		size := int64(0)
		_ = filepath.WalkDir(buffer, func(_ string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				if info, err := e.Info(); err == nil {
					size += info.Size()
				}
			}
			return nil
		})
		if size > 0 {
			logger.Warn("data waits on disk for an endpoint that is not set any more, and is not sent; set the endpoint again, or delete the directory", "directory", buffer, "bytes", size)
		}
	}
}

// close writes what is current and lets the directory go.
func (d *dataDir) close() error {
	return errors.Join(d.positions.Close(), d.lock.Close())
}
