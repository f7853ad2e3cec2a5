package lighter

import (
	"errors"
	"syscall"
)

// DiskFails reports whether an error means that a disk is full or broken. That may pass, and no change of
// the configuration would fix it.
func DiskFails(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO)
}
