package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"lighter"
	"lighter/collector/position"
)

// dataDir is the agent's data directory, locked for this process.
type dataDir struct {
	dir       string
	logger    *slog.Logger
	positions *position.Store
	mkdir     func(path string, perm fs.FileMode) error // os.MkdirAll, except in tests
	flock     func(fd, how int) error                   // syscall.Flock, except in tests

	mu    sync.Mutex // guards the fields below
	locks []*os.File
	tries lighter.Failures // to lock the directory
	retry *time.Timer      // nil unless another attempt is scheduled
}

// lockAgain is the pause before locking is tried again. It is no longer than the first pause of those who
// write to the directory, so that they find it locked.
const lockAgain = time.Second

// openData creates the data directory if necessary, locks it for this process, and opens its content. It
// fails if the directory is not usable as it is set up. A disk that is full or broken does not make it
// fail: the agent starts nevertheless, as it continues if that happens while it runs.
func openData(dir string, logger *slog.Logger) (*dataDir, error) {
	d := &dataDir{dir: dir, logger: logger, mkdir: os.MkdirAll, flock: syscall.Flock}
	if err := d.take(); err != nil {
		return nil, err
	}
	var err error
	if d.positions, err = position.Open(dir, logger); err != nil {
		_ = d.unlock()
		return nil, d.fail(err, d.writable())
	}
	return d, nil
}

func (d *dataDir) fail(err error, advice string) error {
	return fmt.Errorf("data directory %s (%s): %w. %s", d.dir, lighter.SettingDataDir, err, advice)
}

func (d *dataDir) writable() string {
	return fmt.Sprintf("Make it writable for user %d, or mount a volume there", os.Getuid())
}

// take creates the directory and locks it for this process. If the disk is full or broken, it returns nil
// and keeps trying.
func (d *dataDir) take() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.lock()
	switch {
	case err == nil:
		return nil
	case lighter.DiskFails(err):
		d.lockLater(err)
		return nil
	}
	advice := d.writable()
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		advice = "Another agent uses it: give each one a directory of its own"
	case errors.Is(err, errLock):
		advice = "Put it on a file system that supports locks"
	}
	return d.fail(err, advice)
}

// lockLater logs once why there is no lock, until the reason changes, and schedules another attempt. The
// caller holds mu.
func (d *dataDir) lockLater(err error) {
	if d.tries.Set(err) {
		advice := "free space on that volume; until then make sure that no other agent uses the directory"
		if errors.Is(err, syscall.EWOULDBLOCK) {
			advice = "stop one of the two agents, or give each one a directory of its own: both write to it"
		}
		d.logger.Error("the data directory is not locked for this process yet", "directory", d.dir, "error", err, "advice", advice)
	}
	d.retry = time.AfterFunc(lockAgain, d.again)
}

// again is called by the timer.
func (d *dataDir) again() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.retry == nil {
		return // closed
	}
	if err := d.lock(); err != nil {
		d.lockLater(err)
		return
	}
	d.retry = nil
	d.logger.Info("the data directory is locked for this process", "directory", d.dir)
}

// errLock means that a file exists, but cannot be locked.
var errLock = errors.New("cannot lock it for this process")

// lock creates the directory and locks it for this process, with a lock on it and one on a file in it. A
// full disk may have no room for the file, and some network file systems cannot lock directories: one lock
// is enough. If it returns an error, it holds no lock. The caller holds mu.
func (d *dataDir) lock() (err error) {
	defer func() {
		if err != nil {
			_ = d.closeLocks()
		}
	}()
	if err := d.mkdir(d.dir, 0o700); err != nil {
		return err
	}
	if err := d.lockOne(d.dir, os.O_RDONLY); errors.Is(err, syscall.EWOULDBLOCK) {
		return err
	}
	err = d.lockOne(filepath.Join(d.dir, "lock"), os.O_CREATE|os.O_RDWR)
	if len(d.locks) > 0 && lighter.DiskFails(err) {
		return nil
	}
	return err
}

func (d *dataDir) lockOne(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return err
	}
	if err := d.flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return fmt.Errorf("%w: %w", errLock, err)
	}
	d.locks = append(d.locks, f)
	return nil
}

func (d *dataDir) unlock() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.retry != nil {
		d.retry.Stop()
		d.retry = nil
	}
	return d.closeLocks()
}

func (d *dataDir) closeLocks() (err error) {
	for _, f := range d.locks {
		err = errors.Join(err, f.Close())
	}
	d.locks = nil
	return err
}

// The directories of buffers. They contain one directory for each endpoint, with the endpoint's name.
const (
	logBuffers    = "logs"
	metricBuffers = "metrics"
)

// warnOfOrphans logs which buffers hold data for an endpoint that is no longer wanted, because nobody sends
// that data.
func warnOfOrphans(dir string, wanted map[string]bool, logger *slog.Logger) {
	all, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil { // for a directory whose name is a pattern
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
			logger.Warn("data on disk waits for an endpoint that is no longer configured, and is not sent; configure the endpoint again, or delete the directory", "directory", buffer, "bytes", size)
		}
	}
}

// close writes the current state and unlocks the directory.
func (d *dataDir) close() error {
	return errors.Join(d.positions.Close(), d.unlock())
}
