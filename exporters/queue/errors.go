package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

var (
	// ErrFull is returned by Append if the limit is reached and the policy is Refuse.
	ErrFull = errors.New("the queue on disk is full")
	// ErrTooLarge is returned by Append for a record that does not fit even in an empty queue.
	ErrTooLarge = errors.New("the record is larger than the queue may be")
	// ErrClosed is returned by methods after Close.
	ErrClosed = errors.New("the queue is closed")
	// ErrVersion is returned by Open for a segment that another version of lighter wrote.
	ErrVersion = errors.New("another version of lighter wrote it")
)

var (
	errDamaged = errors.New("the record is damaged on disk")
	errSettled = errors.New("the record is acknowledged or dropped already")
)

// failed adds to err what was tried and a remedy. err comes from package os, which names the file.
func failed(what string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = ". Free space on that volume, or allow the queue less; it goes on by itself when there is room"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		advice = fmt.Sprintf(". Make the directory writable for user %d; the queue goes on by itself then", os.Getuid())
	case errors.Is(err, syscall.EIO):
		advice = ". The disk fails: see the kernel's log, and move the data directory to another"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		advice = ". Allow more open files (ulimit -n)"
	}
	return fmt.Errorf("%s: %w%s", what, err, advice)
}
