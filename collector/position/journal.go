package position

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lighter"
)

// compactBytes is the size from which the journal is rewritten if most of it is outdated: some 10,000
// acknowledgements.
const compactBytes = 1 << 20

// Pauses before a journal that cannot be written is tried again. They double each time.
const (
	minRetry = time.Second
	maxRetry = 30 * time.Second
)

// journal is the file of a Store's positions. A record is appended when a position moves. Now and then the
// file is replaced by one with a record for each position.
//
// While the file cannot be written, nothing is appended. A timer then tries to replace the file, at growing
// intervals, so that an acknowledgement never waits for a full disk.
type journal struct {
	path    string
	logger  *slog.Logger
	current func() []byte // returns a record for each position
	create  func(path string) (journalFile, error)

	rewriting sync.Mutex // held by rewrite; locked before mu

	mu        sync.Mutex  // guards the fields below; not held while waiting for the disk, except to append
	file      journalFile // append-only; nil while it cannot be written
	size      int64
	live      int64            // size when the file was last replaced
	lacks     bool             // the file on disk lacks records
	recording bool             // rewrite is running; appended records are also added to pending
	pending   []byte           // records appended since rewrite took its snapshot
	failures  lighter.Failures // to write or replace the file
	onlyGrows bool             // at the last failure the file could still be appended to, but not be replaced
	pause     time.Duration
	retry     *time.Timer // nil unless a retry is scheduled
	closed    bool
}

// journalFile is an *os.File.
type journalFile interface {
	io.WriteCloser
	Sync() error
}

// createFile makes an empty file, and its directory if a full disk had no room for it before.
func createFile(path string) (journalFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// begin replaces the file of an earlier process.
func (j *journal) begin() error {
	j.rewriting.Lock()
	defer j.rewriting.Unlock()
	err := j.rewrite()
	if lighter.DiskFails(err) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.fails(err)
		return nil
	}
	return err
}

// append writes the records that take returns. It calls take with the journal locked, so that records are
// written in the order in which they are taken.
func (j *journal) append(take func() []byte) {
	j.mu.Lock()
	b := take()
	if j.recording {
		j.pending = append(j.pending, b...)
	}
	switch {
	case len(b) == 0:
	case j.file == nil:
		j.lacks = true
	default:
		n, err := j.file.Write(b)
		j.size += int64(n)
		if err != nil {
			j.lacks = true
			_ = j.file.Close()
			j.file = nil // its last line may be cut, so the next record belongs in another file
			j.fails(err)
		}
	}
	due := j.file != nil && j.retry == nil && j.size > compactBytes && j.size > 4*j.live
	j.mu.Unlock()
	if due && j.rewriting.TryLock() {
		defer j.rewriting.Unlock()
		j.renew()
	}
}

// renew rewrites the journal, and tries again later if that fails. The caller holds rewriting.
func (j *journal) renew() {
	err := j.rewrite()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.fails(err)
		return
	}
	j.pause = 0
	switch _, _, ended := j.failures.Works(); {
	case !ended:
	case j.onlyGrows:
		j.logger.Info("the file of positions can be rewritten again", "file", j.path)
	default:
		j.logger.Info("positions can be written again", "file", j.path)
	}
}

// Messages of fails. While the file is open, positions are appended to it, whether it can be replaced or
// not.
const (
	cannotWrite   = "positions cannot be written; until they can, a crash of the agent makes it send lines again. Free space on the data directory or make it writable"
	cannotReplace = "the file of positions cannot be rewritten to make it smaller; positions are still written, and the file grows until it can. Free space on the data directory or make it writable"
)

// fails logs once why the journal cannot be written or replaced, until the reason changes, and schedules
// another attempt. The caller holds mu.
func (j *journal) fails(err error) {
	if j.closed {
		return
	}
	what, level := cannotWrite, slog.LevelError
	if j.onlyGrows = j.file != nil; j.onlyGrows {
		what, level = cannotReplace, slog.LevelWarn
	}
	if j.failures.Failed(what + ": " + err.Error()) {
		j.logger.Log(context.Background(), level, what, "file", j.path, "error", err)
	}
	if j.retry == nil {
		j.pause = min(max(2*j.pause, minRetry), maxRetry)
		j.retry = time.AfterFunc(j.pause, j.again)
	}
}

// again is called by the timer.
func (j *journal) again() {
	j.rewriting.Lock()
	defer j.rewriting.Unlock()
	j.mu.Lock()
	j.retry = nil
	closed := j.closed
	j.mu.Unlock()
	if !closed {
		j.renew()
	}
}

// rewrite atomically replaces the journal by the current records. Records that are appended in the meantime
// go to the old and the new file. The caller holds rewriting.
func (j *journal) rewrite() error {
	j.mu.Lock()
	j.recording, j.pending = true, j.pending[:0]
	b := j.current()
	j.mu.Unlock()

	temporary := j.path + ".tmp"
	f, err := j.create(temporary)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync() // may take seconds
	}

	j.mu.Lock()
	defer j.mu.Unlock()
	j.recording = false
	if err == nil && len(j.pending) > 0 {
		_, err = f.Write(j.pending)
	}
	if err == nil {
		err = os.Rename(temporary, j.path)
	}
	if err != nil {
		if f != nil {
			_ = f.Close()
			_ = os.Remove(temporary) // it may occupy the last space on the disk
		}
		return err
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.lacks = f, false
	j.size = int64(len(b) + len(j.pending))
	j.live = j.size
	return nil
}

// close writes what the file lacks and closes it.
func (j *journal) close() error {
	j.mu.Lock()
	j.closed = true
	if j.retry != nil {
		j.retry.Stop()
		j.retry = nil
	}
	j.mu.Unlock()

	j.rewriting.Lock() // waits for a rewrite by the timer
	defer j.rewriting.Unlock()
	var err error
	j.mu.Lock()
	lacks := j.lacks
	j.mu.Unlock()
	if lacks {
		err = j.rewrite()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		err = errors.Join(err, j.file.Sync(), j.file.Close())
		j.file = nil
	}
	if err != nil {
		return fmt.Errorf("write positions: %w", err)
	}
	return nil
}
