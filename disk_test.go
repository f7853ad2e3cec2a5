package lighter_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"lighter"
)

func TestDiskFails(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                false,
		errors.New("else"): false,
		syscall.EROFS:      false,
		syscall.EACCES:     false,
		syscall.ENOSPC:     true,
		syscall.EDQUOT:     true,
		fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "/x", Err: syscall.EIO}): true,
	} {
		if got := lighter.DiskFails(err); got != want {
			t.Errorf("DiskFails(%v) = %t, want %t", err, got, want)
		}
	}
}
