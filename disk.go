package lighter

import (
	"errors"
	"syscall"
)

// DiskFails reports whether an error is that a disk is full or broken. Nothing in the configuration
// would mend that, and it may pass.
func DiskFails(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO)
}
